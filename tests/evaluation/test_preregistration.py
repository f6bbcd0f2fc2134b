import json

import pytest

from bbflow.errors import InputError
from bbflow.evaluation.preregistration import (
    FILE,
    Preregistration,
    certificate_problems,
    preregistration_of,
    read_preregistration,
    write_preregistration,
)


def test_hash_depends_on_margins_and_alpha_alone():
    preregistration = Preregistration({"a": 0.03, "b": 0.05})
    assert preregistration.sha256 == Preregistration({"b": 0.05, "a": 0.03}).sha256
    assert preregistration.sha256 != Preregistration({"a": 0.03, "b": 0.051}).sha256
    assert preregistration.sha256 != Preregistration({"a": 0.03, "b": 0.05}, alpha=0.1).sha256


def test_comes_back_from_a_file(tmp_path):
    preregistration = Preregistration({"a": 0.03})
    write_preregistration(tmp_path / "run", preregistration)
    assert read_preregistration(tmp_path / "run") == preregistration
    assert read_preregistration(tmp_path) is None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace("0.03", "0.3"), "changed after the run"),
        (lambda text: text.replace("0.05", "0.5"), "changed after the run"),
        (lambda text: text[:20], "cannot be read"),
        (lambda text: json.dumps([1]), "no preregistration of margins"),
        (lambda text: json.dumps({"alpha": 0.05, "margins": {"a": "wide"}, "sha256": ""}), "no preregistration of margins"),
    ],
)
def test_an_edited_file_is_refused(tmp_path, edit, said):
    write_preregistration(tmp_path, Preregistration({"a": 0.03}))
    path = tmp_path / FILE
    path.write_text(edit(path.read_text()))
    with pytest.raises(InputError, match=said):
        read_preregistration(tmp_path)


def test_names_every_margin_that_is_not_the_promised_one(vowels):
    preregistration = Preregistration({"a": 0.03, "b": 0.03, "gone": 0.1})
    capabilities = {"a": vowels(margin=0.03), "b": vowels(margin=0.1), "new": vowels()}
    hint = "what a run is judged by is fixed at its start: set it back, or begin another run"
    assert [str(p) for p in preregistration.problems(capabilities, "recipe")] == [
        f"recipe: the margin of 'b' is 0.1, but 0.03 was fixed before the run ({hint})",
        f"recipe: no margin of 'new' was fixed before the run ({hint})",
    ]


def report(margin=0.03, **difference):
    entry = {"n": 9, "clusters": 9, "difference": {"estimate": 0.0, **difference}, "p_improved": 0.5}
    entry |= {"margin": margin, "verdict": "preserved"}
    return {"capabilities": {"a": entry}, "margins": Preregistration({"a": margin}).to_json(), "verdict": "certified"}


def test_what_rounding_can_have_moved_is_no_change():
    third = Preregistration({"a": 1 / 3})
    written = report(0.333333, lower=-0.333333, upper=0.1)  # -0.3333329 above -1/3, as six digits show it
    written["margins"]["sha256"] = third.sha256
    assert certificate_problems(written, third, "r") == []
    assert certificate_problems(report(lower=-0.029, upper=0.1), None, "r") == []
    said = [str(p) for p in certificate_problems(report(lower=-0.031, upper=0.1), None, "r")]
    assert said == ["r: 'a' is called preserved, but its bounds and its margin say inconclusive"]


def test_a_capability_without_a_promise():
    written = report(lower=0.0, upper=0.1)
    assert "the margin of 'a' is 0.03, but none was fixed" in str(certificate_problems(written, Preregistration({"b": 0.03}), "r")[1])


def test_a_checkpoint_carries_the_promise():
    preregistration = Preregistration({"a": 0.03})
    assert preregistration_of({"callbacks": {"Other": 3, "Report": {"margins": preregistration.to_json()}}}) == preregistration
    assert preregistration_of({}) is None
    with pytest.raises(InputError, match="changed after the run"):
        preregistration_of({"callbacks": {"Report": {"margins": {**preregistration.to_json(), "margins": {"a": 0.9}}}}})
