"""graph.schema.json and the readers agree on what a graph file is."""

import copy
import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from bbflow.cli.schemas import schema_text
from bbflow.errors import InputError
from bbflow.graph import read_graph

SCHEMA = Draft202012Validator(json.loads(schema_text("graph")))
YAML = {
    "name": "g", "version": 3,
    "nodes": [
        {"id": "d:a", "kind": "Drug", "name": "a", "synonyms": ["A"], "coverage": {"disease": "complete"}},
        {"id": "x:b", "kind": "Disease", "name": "b"},
    ],
    "edges": [["d:a", "treats", "x:b", "label:a", {"qualifier": "adults"}], {"subject": "d:a", "predicate": "caution_in", "object": "x:b", "source": "s"}],
}  # fmt: skip
JSON = {
    "graph": {"name": "g"}, "nodes": YAML["nodes"],
    "edges": [{"source": "d:a", "target": "x:b", "key": "treats", "provenance": "label:a", "verified": True}],
}  # fmt: skip


def read(tmp_path, data, name):
    (tmp_path / name).write_text(json.dumps(data) if name.endswith("json") else yaml.safe_dump(data))
    return read_graph(tmp_path / name)


@pytest.mark.parametrize(("data", "name"), [(YAML, "g.yaml"), (JSON, "g.json")])
def test_both_take_a_whole_graph(tmp_path, data, name):
    assert list(SCHEMA.iter_errors(data)) == []
    assert len(read(tmp_path, data, name)) == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("nodes", 0, "id"), "nocurie"), (("nodes", 0, "id"), None), (("nodes", 0, "kind"), "Drog"), (("nodes", 0, "name"), ""),
        (("nodes", 0, "name"), "n" * 4001), (("nodes", 0, "synonyms"), "A"), (("nodes", 0, "coverage"), {"diseases": "complete"}),
        (("nodes", 0, "coverage"), {"disease": "full"}), (("nodes", 0), "d:a"), (("edges", 0), 7), (("edges", 0, 1), "heals"),
        (("edges", 0, 3), ""), (("edges", 0, 4), "adults"), (("edges", 1, "source"), ""), (("edges", 1, "predicate"), "heals"),
    ],
)  # fmt: skip
def test_both_refuse_what_is_malformed(tmp_path, path, value):
    data = copy.deepcopy(YAML)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert list(SCHEMA.iter_errors(data))
    with pytest.raises(InputError):
        read(tmp_path, data, "g.yaml")


@pytest.mark.parametrize("change", [{"key": "heals"}, {"provenance": ""}, {"source": "nocurie"}, {"target": 7}])
def test_both_refuse_malformed_links(tmp_path, change):
    data = {**JSON, "edges": [{**JSON["edges"][0], **change}]}
    assert list(SCHEMA.iter_errors(data))
    with pytest.raises(InputError):
        read(tmp_path, data, "g.json")
