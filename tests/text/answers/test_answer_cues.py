"""The file of cues: every problem of it is named with its line and column."""

import pytest

from bbflow.errors import InputError
from bbflow.text.answers.answer_cues import CUES_FILE, answer_cues, read_answer_cues


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("harms: [dangerous", "harmz: [dangerous", "unknown group 'harmz'"),
        ("harms: [dangerous", "harms: [no", "a cue must be text, not False"),
        ("  treats: [treats", "  treets: [treats", "unknown relation 'treets'"),
        ("  no objection to: allowed", "  no objection to: 7", "'idioms' must give the words"),
        ("others: [other", "others: 7 # [other", "'others' must be a list of phrases"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, old, new, said):
    text = CUES_FILE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "cues.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=rf"cues\.yaml:\d+:\d+: {said}"):
        read_answer_cues(tmp_path / "cues.yaml")


def test_the_package_s_own_file_is_right():
    assert answer_cues().holds("takes_back", "on second thought it is gout")
    assert answer_cues().related("it presents with a cough") == {"has_phenotype"}
