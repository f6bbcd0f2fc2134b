"""Reading of advice in a text: which drugs it recommends, and which are not in the graph.

| question | module |
|---|---|
| Which drugs does it name, with which stance and dose? | `drug_mentions` |
| How is the stance read from cues? | `stance_reader`, with the cues in `stance_cues.yaml` |
| Does it leave no doubt that a drug is not advised? | `firm_stance` |
| Which doses stand beside no drug, and which numbers have no unit? | `stray_doses` |
| Which of its words are drugs that the graph does not have? | `unknown_drugs` |
"""
