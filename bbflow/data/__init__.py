"""Data modules: make, check, cache and load examples and preference pairs, and read and write their files.

| module | content |
|---|---|
| `contract_datamodule` | `ContractDataModule`, the base class: contract, receipt, cache, loaders |
| `knowledge_graph_data` | `KnowledgeGraphData`: examples generated from a graph |
| `example_files` | `ExampleFiles`: examples from Parquet or JSONL files |
| `preference_data` | `PreferenceData`: pairs of a correct and a corrupted response |
| `example_io` | reading and writing of files, as records or as Hugging Face datasets |
| `sampler` | order of the training examples over processes and resumed runs |
| `sharding` | generation of data sets that do not fit into memory |
| `fingerprint` | hash of the settings and of the code that decide the data |

To add a data module, subclass `ContractDataModule` in a new file and define `tasks`, `fingerprint` and `write`; a recipe refers to
it by `class_path`.
"""

from bbflow.data.contract_datamodule import ContractDataModule
from bbflow.data.example_files import ExampleFiles
from bbflow.data.example_io import read_dataset, read_examples, write_examples
from bbflow.data.knowledge_graph_data import KnowledgeGraphData
from bbflow.data.preference_data import PreferenceData

__all__ = [
    "ContractDataModule",
    "ExampleFiles",
    "KnowledgeGraphData",
    "PreferenceData",
    "read_dataset",
    "read_examples",
    "write_examples",
]
