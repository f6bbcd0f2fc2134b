"""Reading of clinical text, shared by contracts, rewards and curation.

| question | module |
|---|---|
| Which differences of spelling do not count? | `normalization` |
| Which words and sentences does a text have? | `tokenization` |
| Which nodes of the graph does it name? | `entity_linking` |
| Which other names do drugs and classes of drugs have? | `lexicon/drug_names`, from its YAML file |
| Which node defines a class of drugs, and which drugs belong to it? | `lexicon/drug_classes` |
| Which drugs are known that few graphs have? | `lexicon/other_drugs`, from its YAML file |
| Which words state a fact about a patient? | `lexicon/patient_cues`, from its YAML file |
| Which conditions does it name in other words than the graph, or by a measurement? | `conditions` |
| Which unit does a word denote, and what is its factor? | `units` |
| Which patient does a prompt describe? | `prompt_context` |
| Is a mention negated? | `negation` |
| Which language is it in? | `language` |
| Does it hold identifying data (PHI)? | `phi` |
| Does it repeat a benchmark? | `decontamination` |
| How is an edge turned into a sentence and parsed again? | `verbalization` |
| Which drugs does it recommend, and which are not in the graph? | `drugs` |
| At what dose? | `doses` |
| Which answer does a completion give, does it take it back, does it refuse? | `answers` |
| How are results per word remembered? | `memo` |

Two checkers deliberately do not use this package, since they check what others wrote with it: the symbolic solver
(`bbflow.synthesis.items.solver`) reads no text at all, and the instruction verifiers (`bbflow.rewards.ifeval_verifiers`) share the
detector of languages alone. The key of names in a graph is `bbflow.graph.fold`, below this package.
"""
