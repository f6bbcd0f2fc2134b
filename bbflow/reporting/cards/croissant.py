"""Croissant metadata (MLCommons, version 1.0) of a folder of generated examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bbflow
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.io.checksums import file_sha256
from bbflow.records import Example, Split

_CROISSANT_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace"),
    *("samplingRate", "separator", "source", "subField", "transform"),
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
}
"""JSON-LD context prescribed by Croissant 1.0; without it these keys would be read as terms of schema.org."""
_FIELD_TYPES = {
    "str": ("sc:Text", False), "Split": ("sc:Text", False), "int": ("sc:Integer", False), "bool": ("sc:Boolean", False),
    "list[str]": ("sc:Text", True), "list[str] | None": ("sc:Text", True),
}  # fmt: skip
"""Type of a record field to its Croissant type and whether it repeats; nested records are left to their Parquet schema."""
DISCLAIMER = "Synthetic questions about a knowledge graph. Not verified by clinicians, not medical advice, not for use in patient care."


def croissant(files: Mapping[Split, Sequence[Path]], graph: KnowledgeGraph, tasks: Sequence[str] = ()) -> dict[str, Any]:
    """Return Croissant 1.0 metadata of Parquet files, with the fields of its responsible-AI extension.

    Args:
        files: Files per split; several files of one split form a file set.
        graph: Source of the facts.
        tasks: Task families in the files.
    """
    return {
        "@context": CONTEXT,
        **_description(graph),
        **_responsible_ai(graph, tasks),
        "distribution": [entry for split, parts in files.items() for entry in _distribution(split, parts)],
        "recordSet": [_record_set(split, parts) for split, parts in files.items()],
    }


def _description(graph: KnowledgeGraph) -> dict[str, Any]:
    about = graph.about
    return {
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"bbflow-{graph.name}",
        "version": graph.version,
        "creator": {"@type": "sc:Organization", "name": f"bbflow {bbflow.__version__}"},
        "citeAs": str(about.get("citation") or f"{graph.name} {graph.version}, sha256 {graph.sha256}"),
        "description": f"{about.get('about', '')} {DISCLAIMER}".strip(),
        "license": str(about.get("licence", "see the graph's own licence")),
    }


def _responsible_ai(graph: KnowledgeGraph, tasks: Sequence[str]) -> dict[str, Any]:
    return {
        "rai:dataCollection": "Generated from a knowledge graph by templates; every answer was proved from the graph by a solver.",
        "rai:dataCollectionType": ["Synthetic data", "Knowledge graph"],
        "rai:dataCollectionRawData": f"Knowledge graph '{graph.name}' {graph.version}, sha256 {graph.sha256}; every edge names its source.",
        "rai:dataPreprocessingProtocol": [
            "Duplicates are dropped; what a data contract refuses or quarantines is left out.",
            "Splits are a hash of the question, or of the entity where the prompt tells the facts.",
        ],
        "rai:dataAnnotationProtocol": "None by people. Answers, proofs and difficulty follow from the graph.",
        "rai:dataUseCases": ["Training and evaluation of language models; not for use in patient care."],
        "rai:dataLimitations": ["The graph is incomplete; what it does not say may still be true.", "Wording is templated."],
        "rai:dataBiases": [
            "What the graph covers is asked about, and nothing else; common adult medicine in English prevails.",
            f"Tasks are mixed as the recipe says, not as they occur in practice: {', '.join(tasks) or 'not stated'}.",
        ],
        "rai:dataSocialImpact": "A model trained on these data may sound like a clinician; it must not be used as one.",
        "rai:personalSensitiveInformation": ["None: patients are invented."],
        "rai:dataReleaseMaintenancePlan": "The same recipe, graph and version of bbflow make the same files again.",
    }


def _distribution(split: Split, parts: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield the files of a split, and the set that several of them form."""
    parquet = {"encodingFormat": "application/x-parquet"}
    for part in parts:
        yield {
            "@type": "cr:FileObject", "@id": part.name, "name": part.name, "contentUrl": part.name, **parquet, "sha256": file_sha256(part),
        }  # fmt: skip
    if len(parts) > 1:
        yield {
            "@type": "cr:FileSet", "@id": f"{split}-shards", "containedIn": [{"@id": part.name} for part in parts], **parquet,
            "includes": f"*{split}-*.parquet",  # readers match it against longer paths, too
        }  # fmt: skip


def _record_set(split: Split, parts: Sequence[Path]) -> dict[str, Any]:
    source = {"fileSet": {"@id": f"{split}-shards"}} if len(parts) > 1 else {"fileObject": {"@id": parts[0].name}}
    columns = [(name, *_FIELD_TYPES[kind]) for name, kind in Example.__annotations__.items() if kind in _FIELD_TYPES]
    fields = [
        {
            "@type": "cr:Field", "@id": f"{split}/{name}", "name": name, "dataType": kind, **({"repeated": True} if many else {}),
            "source": {**source, "extract": {"column": name}},
        }
        for name, kind, many in columns
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}
