"""The worked example of docs/graphs.md, taken from the page."""

import re
from pathlib import Path

import bbflow
from bbflow.graph import read_graph
from bbflow.graph.readers import READERS
from bbflow.graph.readers.mapping import load_mapping, shipped
from bbflow.graph.validation import RULES

PAGE = (Path(bbflow.__file__).parents[1] / "docs" / "graphs.md").read_text(encoding="utf-8")


def test_the_folder_of_the_guide_is_the_graph_that_it_says(tmp_path):
    files = re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["mapping.yaml", "drugs.csv", "diagnoses.csv", "facts.csv"]
    for name, text in files:
        (tmp_path / name).write_text(text)
    graph = read_graph(tmp_path)
    assert graph.counts() == {"nodes": {"Disease": 2, "Drug": 1}, "edges": {"treats": 1, "contraindicated_in": 1}}
    assert graph.about["left_out"] == {"edges 'notiz' (by the mapping)": 1}
    assert {"med:0007", "icd:E11"} <= {node.id for node in graph.nodes()}
    assert next(graph.edges()).source == "package:ward7@2026-11#facts.csv:2"


def test_the_part_of_primekg_that_the_guide_leaves_out(tmp_path):
    [text] = re.findall(r"^```yaml\n(extends: primekg\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "m.yaml").write_text(text)
    assert load_mapping(tmp_path / "m.yaml").relation("anatomy_protein_present") is None
    assert load_mapping("primekg").relation("anatomy_protein_present") is not None


def test_the_guide_names_every_format_and_rule():
    for name in READERS:
        assert f"`{name}`" in PAGE
    assert {"primekg", "hetionet", "biocypher", "plain"} <= set(shipped())
    for rule in RULES:
        assert rule in PAGE
