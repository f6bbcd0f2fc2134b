import pytest

from bbflow.errors import InputError
from bbflow.graph import read_graph
from bbflow.graph.ontology import KINDS, PREDICATES
from bbflow.graph.readers.mapping import Relation, biolink, load_mapping, shipped


def test_what_ships_is_well_formed_and_knows_bbflows_own_words():
    assert {"primekg", "hetionet", "biocypher", "umls", "obo", "plain", "biolink"} == set(shipped())
    for name in shipped():
        mapping = load_mapping(name)
        assert all(mapping.kind(kind) == kind for kind in KINDS)
        assert all(mapping.relation(p) == Relation(p) for p in PREDICATES)


@pytest.mark.parametrize("word", ["may_treat", "May Treat", "MAY-TREAT", "MayTreat", "biolink:may_treat"])
def test_spellings_of_a_relation_meet(word):
    assert biolink().relation(word) == Relation("treats")


def test_the_table_of_relations_is_extended_overridden_and_cut_by_a_users_own(tmp_path):
    (tmp_path / "base.yaml").write_text("name: base\npredicates: {hilft bei: {predicate: treats, attributes: {claim: anecdote}}}\n")
    (tmp_path / "own.yaml").write_text(
        "extends: ./base.yaml\nname: own\nkinds: {Arznei: Drug}\npredicates: {indication: null, wird behandelt mit: {predicate: treats, inverse: true}}\n"
    )
    mapping = load_mapping(tmp_path / "own.yaml")
    assert mapping.relation("Hilft bei") == Relation("treats", False, {"claim": "anecdote"})
    assert mapping.relation("WIRD BEHANDELT MIT") == Relation("treats", True)
    assert mapping.relation("indication") is None
    assert mapping.kind("arznei") == "Drug"
    assert mapping.name == "own"
    with pytest.raises(KeyError):
        mapping.relation("heilt")


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "nam: x\nduplicates: maybe\nkinds: {A: Drugg}\npredicates:\n  a: treets\n  b: {predicate: treats, invers: true}\nids: {A: 7}\n"
        "nodes:\n  - columns: {id: a, nme: b}\nedges:\n  - {files: [e.csv], columns: {subject: s, object: [], predicate: {one: p}}}\n"
    )
    with pytest.raises(InputError) as caught:
        load_mapping(path)
    said = str(caught.value)
    for part in (
        "m.yaml:1:6: unknown key 'nam' (did you mean 'name'?)", "m.yaml:2:13: 'duplicates' is merge or refuse", "m.yaml:3:",
        "did you mean 'Drug'?", "m.yaml:5:", "did you mean 'treats'?", "m.yaml:6:", "m.yaml:7:", "'nme' is no part of node tables",
        "the table says nothing about 'name'", "the table says nothing about 'kind'", "a column is a name",
    ):  # fmt: skip
        assert part in said, part


def test_circles_and_missing_parents(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: ./b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: ./a.yaml\n")
    (tmp_path / "long.yaml").write_text(f"extends: {'x' * 5000}\n")
    with pytest.raises(InputError, match="there is no mapping 'xxx"):
        load_mapping(tmp_path / "long.yaml")
    with pytest.raises(InputError, match="extends itself"):
        load_mapping(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("extends: nowhere\n")
    with pytest.raises(InputError, match=r"b\.yaml:1:.*there is no mapping 'nowhere'"):
        load_mapping(tmp_path / "a.yaml")


def test_a_mapping_is_data(tmp_path):
    (tmp_path / "m.yaml").write_text("name: !!python/object/apply:os.system [ls]\n")
    with pytest.raises(InputError, match="not allowed"):
        load_mapping(tmp_path / "m.yaml")
    (tmp_path / "m.yaml").write_text("source: '{row.__class__} {row}'\n")
    assert load_mapping(tmp_path / "m.yaml").source == "{row.__class__} {row}"  # filled in as text, never formatted


TABLES = """\
name: ours
nodes:
  - {files: [nodes.csv], columns: {id: id, kind: kind, name: name}}
edges:
  - {files: [edgs.csv, more.csv], columns: {subject: subject, predicate: predicate, object: object}}
"""


def test_a_table_that_the_folder_lacks_is_an_error_unless_it_may_be_missing(tmp_path):
    (tmp_path / "nodes.csv").write_text("id,kind,name\nd:a,Drug,alpha\nx:c,Disease,gamma\n")
    (tmp_path / "edges.csv").write_text("subject,predicate,object\nd:a,treats,x:c\n")
    (tmp_path / "mapping.yaml").write_text(TABLES)
    with pytest.raises(InputError, match=r"reads edgs.csv or more.csv, and no file is called so \(did you mean 'edges.csv'\?"):
        read_graph(tmp_path)
    (tmp_path / "mapping.yaml").write_text(TABLES.replace("{files: [edgs", "{optional: true, files: [edgs"))
    assert len(read_graph(tmp_path)) == 2
    (tmp_path / "mapping.yaml").write_text(TABLES.replace("{files: [edgs", "{optional: maybe, files: [edgs"))
    with pytest.raises(InputError, match=r"mapping.yaml:5:\d+: 'optional' is true or false"):
        read_graph(tmp_path)


def test_an_encoding_that_there_is_not_has_its_line(tmp_path):
    (tmp_path / "m.yaml").write_text("name: x\nencoding: latin9x\n")
    with pytest.raises(InputError, match=r"m.yaml:2:\d+: there is no encoding 'latin9x'"):
        load_mapping(tmp_path / "m.yaml")
