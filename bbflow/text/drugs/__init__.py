"""Reading of advice in a text: which drugs it recommends, and which are not in the graph.

| question | module |
|---|---|
| Which drugs does it name, with which stance and dose? | `drug_mentions` |
| How is the stance read from cues? | `stance_reader`, with the cues in `stance_cues.yaml` |
| Which of its words are drugs that the graph does not have? | `unknown_drugs` |
"""
