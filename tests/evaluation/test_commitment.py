import json

import pytest

from bbflow.errors import InputError
from bbflow.evaluation.commitment import FILE, Commitment, read_commitment, write_commitment


def test_hash_depends_on_margins_and_alpha_alone():
    promise = Commitment({"a": 0.03, "b": 0.05})
    assert promise.sha256 == Commitment({"b": 0.05, "a": 0.03}).sha256
    assert promise.sha256 != Commitment({"a": 0.03, "b": 0.051}).sha256
    assert promise.sha256 != Commitment({"a": 0.03, "b": 0.05}, alpha=0.1).sha256


def test_comes_back_from_a_file(tmp_path):
    promise = Commitment({"a": 0.03})
    write_commitment(tmp_path / "run", promise)
    assert read_commitment(tmp_path / "run") == promise
    assert read_commitment(tmp_path) is None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace("0.03", "0.3"), "changed after the run"),
        (lambda text: text.replace("0.05", "0.5"), "changed after the run"),
        (lambda text: text[:20], "cannot be read"),
        (lambda text: json.dumps([1]), "no promise of margins"),
        (lambda text: json.dumps({"alpha": 0.05, "margins": {"a": "wide"}, "sha256": ""}), "no promise of margins"),
    ],
)
def test_an_edited_file_is_refused(tmp_path, edit, said):
    write_commitment(tmp_path, Commitment({"a": 0.03}))
    path = tmp_path / FILE
    path.write_text(edit(path.read_text()))
    with pytest.raises(InputError, match=said):
        read_commitment(tmp_path)


def test_names_every_margin_that_is_not_the_promised_one(vowels):
    promise = Commitment({"a": 0.03, "b": 0.03, "gone": 0.1})
    capabilities = {"a": vowels(margin=0.03), "b": vowels(margin=0.1), "new": vowels()}
    assert [str(p) for p in promise.problems(capabilities, "recipe")] == [
        "recipe: the margin of 'b' is 0.1, but 0.03 was fixed before the run",
        "recipe: no margin of 'new' was fixed before the run",
    ]
