"""Reading of clinical text, shared by contracts, rewards and curation.

| question | module |
|---|---|
| Which differences of spelling do not count? | `normalization` |
| Which words and sentences does a text have? | `tokenization` |
| Which nodes of the graph does it name? | `entity_linking` |
| Which other names do drugs and classes of drugs have? | `drug_names`, from `drug_names.yaml` |
| Which node defines a class of drugs, and which drugs belong to it? | `drug_classes` |
| Which unit is a word, and how large is it? | `units` |
| Which person does a prompt describe? | `prompt_context` |
| Is what it names denied? | `negation` |
| Which language is it in? | `language` |
| Does it identify a person? | `phi` |
| Does it repeat a benchmark? | `decontamination` |
| How is an edge written, and read back? | `verbalization` |
| Which drugs does it recommend, at what dose, and which are not in the graph? | `drugs` |
| Which answer does a completion give, does it take it back, does it refuse? | `answers` |
| How are results per word remembered? | `memo` |

Two checkers deliberately do not use this package, since they check what others wrote with it: the symbolic solver
(`bbflow.synthesis.items.solver`) reads no text at all, and the instruction verifiers (`bbflow.rewards.ifeval_verifiers`) share the
detector of languages alone. The key of names in a graph is `bbflow.graph.fold`, below this package.
"""
