"""Names and cues as data, with the code that reads them: names of drugs in use, classes of drugs, and cues of facts about a patient."""
