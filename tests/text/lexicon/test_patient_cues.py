"""The file of phrases by which a prompt tells of a person: where an error of it is."""

import pytest

from bbflow.errors import InputError
from bbflow.text.lexicon.patient_cues import CUES_FILE, patient_cues, read_patient_cues


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("allergic_after:", "allergic_later:", "the group 'allergic_after' is missing"), ('"on", took', "on, took", "a cue must be text, not True"),
        ("'(?:th|nd", "'((?:th|nd", r"'\(\(\?:th"),
        ("between: [", "between: [x, ", "'between' must be a list of two numbers"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, said):
    path = tmp_path / "cues.yaml"
    path.write_text(CUES_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=rf"cues\.yaml:\d+:\d+: {said}"):
        read_patient_cues(path)


@pytest.mark.parametrize(
    ("words", "rate"),
    [("egfr 22", "22"), ("crcl is 25 ml min", "25"), ("creatinine clearance of about 30.5", "30.5"), ("gfr below 30", "30")],
)
def test_filtration_rates(words, rate):
    assert patient_cues().filtration.search(words)["rate"] == rate
