"""The one reading of clinical text, below contracts, rewards and curation, which all use it.

| question | module |
|---|---|
| Which differences of spelling do not count? | `normalization` |
| Which words and sentences does a text have? | `tokenization` |
| Which nodes of the graph does it name? | `entity_linking` |
| Which unit is a word, and how large is it? | `units` |
| Which person does a prompt describe? | `prompt_context` |
| Is what it names denied? | `negation` |
| Which language is it in? | `language` |
| Does it identify a person? | `phi` |
| Does it repeat a benchmark? | `decontamination` |
| How is an edge written, and read back? | `verbalization` |
| Which drugs does it advise, at which dose, and which does nobody know? | `drugs` |
| Which answer does a completion give, does it take it back, does it refuse? | `answers` |

Two readers are independent of this package on purpose, since they check what others wrote with it: the symbolic solver
(`bbflow.synthesis.items.solver`), which reads no text at all, and the instruction verifiers (`bbflow.rewards.ifeval_verifiers`), which
share the detector of languages alone. The key of names in a graph, `bbflow.graph.fold`, lies with the graph, below this package.
"""
