"""Croissant metadata as JSON-LD: every key is a word of the vocabulary that it belongs to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from bbflow.data import KnowledgeGraphData
from bbflow.data.sharding import write_shards
from bbflow.graph import ClinicalPack
from bbflow.reporting.cards.dataset_card import write_card
from bbflow.synthesis.tasks import FactRecall

CROISSANT = {"recordSet", "field", "source", "extract", "column", "fileObject", "fileSet", "includes", "dataType", "repeated", "citeAs"}
SCHEMA_ORG = {
    "name",
    "version",
    "creator",
    "description",
    "license",
    "distribution",
    "contentUrl",
    "encodingFormat",
    "sha256",
    "containedIn",
}
RESPONSIBLE = {
    "dataCollection", "dataCollectionType", "dataCollectionRawData", "dataPreprocessingProtocol", "dataAnnotationProtocol", "dataUseCases",
    "dataLimitations", "dataBiases", "dataSocialImpact", "personalSensitiveInformation", "dataReleaseMaintenancePlan",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("card") / "out"
    sizes = {"train_size": 30, "validation_size": 4, "test_size": 4}
    data = KnowledgeGraphData(ClinicalPack(), None, {"facts": FactRecall()}, **sizes)
    write_shards(data.plan(12), out, describe=lambda draft, made: write_card(draft, made, data.graph, None, "r.yaml"))
    return out


def keys(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield key
        yield from keys(value) if key != "@context" else ()
    for value in node if isinstance(node, list) else ():
        yield from keys(value)


def test_every_key_is_a_word_of_its_vocabulary(folder: Path) -> None:
    metadata = json.loads((folder / "croissant.json").read_text())
    context = metadata["@context"]
    used = {key for key in keys(metadata) if not key.startswith("@")}

    def meaning(key: str) -> str:
        term = context.get(key, key)
        term = term["@id"] if isinstance(term, dict) else term
        prefix, colon, rest = term.partition(":")
        return f"{context[prefix]}{rest}" if colon else f"{context['@vocab']}{term}"

    assert {key for key in used if meaning(key).startswith("http://mlcommons.org/croissant/RAI/")} == {f"rai:{key}" for key in RESPONSIBLE}
    of_croissant = {key for key in used if meaning(key).startswith("http://mlcommons.org/croissant/")} - {f"rai:{k}" for k in RESPONSIBLE}
    assert of_croissant == CROISSANT
    assert meaning("conformsTo") == "http://purl.org/dc/terms/conformsTo"
    assert used - of_croissant - {f"rai:{k}" for k in RESPONSIBLE} - {"conformsTo"} == SCHEMA_ORG


def test_fields_are_columns_of_the_files_with_their_types(folder: Path) -> None:
    metadata = json.loads((folder / "croissant.json").read_text())
    schema = pyarrow.parquet.read_schema(next(folder.glob("train-*.parquet")))
    fields = {field["name"]: field for field in metadata["recordSet"][0]["field"]}
    assert {"answer", "options", "entities", "hops", "open_book"} <= set(fields) <= set(schema.names)
    assert fields["hops"]["dataType"] == "sc:Integer"
    assert fields["open_book"]["dataType"] == "sc:Boolean"
    assert {name for name, field in fields.items() if field.get("repeated")} == {
        name for name in fields if pyarrow.types.is_list(schema.field(name).type)
    }
    assert len({file["sha256"] for file in metadata["distribution"] if "sha256" in file}) == 5
