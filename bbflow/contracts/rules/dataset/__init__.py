"""Rules about a data set as a whole: balance, duplicates, leakage, contamination."""
