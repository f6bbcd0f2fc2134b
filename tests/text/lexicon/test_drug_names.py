"""The file of names of drugs: what it must hold, and where an error of it is."""

import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.text.entity_linking import entity_linker, mentions
from bbflow.text.lexicon.drug_names import NAMES_FILE, drug_names, read_drug_names


def test_every_drug_of_the_file_is_in_the_pack_and_no_name_means_another():
    graph, names = ClinicalPack().load(), drug_names()
    for drug, others in names.drugs.items():
        node = graph.resolve(drug)
        assert graph.node(node).kind == "Drug"
        assert [name for name in others if entity_linker(graph).resolve(name) != node] == []
    assert all(graph.resolve(drug) for drug in names.drugs_with_dose)


@pytest.mark.parametrize("text", ["TMP/SMX", "smx-tmp", "Sulfamethoxazole and trimethoprim", "SMZ TMP", "trimethoprim-sulfa", "Bactrim"])
def test_one_drug_in_any_order_and_with_any_separator(text):
    graph = ClinicalPack().load()
    assert mentions(graph, text) == [graph.resolve("co-trimoxazole")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("short_words:", "short_word:", "unknown group 'short_word'"), ("  lamotrigine: [LTG]", "  lamotrigine: LTG", "'lamotrigine' must have a list"),
        ("[LTG]", "[yes]", "a name must be text, not True"), ("[LTG]", "[ASA]", "the name 'ASA' occurs twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, said):
    path = tmp_path / "names.yaml"
    path.write_text(NAMES_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=rf"names\.yaml:\d+:\d+: {said}"):
        read_drug_names(path)
