"""The reading of advice: which drugs a text advises or advises against, at which doses, and which drugs nobody knows."""
