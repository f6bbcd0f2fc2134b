"""The cues of the stance reader: every effect, the file's own checks, and how a phrase is added."""

import pytest

from bbflow.errors import InputError
from bbflow.text.drugs.drug_mentions import read_drug_stances
from bbflow.text.drugs.stance_cues import CUES_FILE, Effect, read_stance_cues, stance_cues
from bbflow.text.drugs.stance_reader import StanceReader
from bbflow.text.tokenization import TokenizedText


def stances(text, graph, cues=None):
    return {graph.name_of(mention.drug): mention.stance for mention in read_drug_stances(text, graph, cues).drug_mentions}


@pytest.mark.parametrize(
    ("text", "warfarin"),
    [
        # advises
        ("Go for warfarin.", "advised"), ("No water and no walks but give warfarin.", "advised"), ("Never give warfarin.", "against"),
        # advises_by_double_negation: its own `not` does not cancel it
        ("Do not forget to give warfarin.", "advised"), ("Give aspirin, do not stop warfarin.", "advised"),
        # advises_despite_negation
        ("Don't be afraid to try warfarin.", "advised"), ("Do not ever hesitate to use warfarin.", "advised"),
        # neutral
        ("Give rest; use of warfarin.", "unclear"), ("Avoid use of warfarin.", "against"),
        # opposes
        ("Beware of warfarin.", "against"), ("Never withhold warfarin.", "advised"), ("Warfarin, never.", "against"),
        ("Warfarin, do not.", "against"), ("Switch from aspirin to warfarin.", "advised"),
        # speaks_of
        ("Monitor levels of warfarin.", "spoken of"), ("She takes walks in the park before warfarin.", "spoken of"),
        ("She takes daily walks in the park before her warfarin.", "unclear"),
        # speaks_of_unless_opposed
        ("He used warfarin.", "spoken of"), ("Avoid what he used, warfarin.", "against"),
        # interacts
        ("Warfarin interacts with aspirin.", "against"), ("Aspirin interacts with warfarin.", "spoken of"),
        # advises_before
        ("Warfarin is reasonable.", "advised"), ("Aspirin or warfarin? It is safe.", "advised"),
        # opposes_before
        ("Warfarin is off the table.", "against"), ("Give warfarin; this is dangerous.", "against"), ("Not giving warfarin is dangerous.", "advised"),
        ("It should never be warfarin.", "against"), ("Warfarin is not contraindicated.", "unclear"),
        # contrast, new_clause
        ("Avoid salt but warfarin.", "unclear"), ("Give it because warfarin.", "unclear"), ("Avoid warfarin, but it is fine.", "advised"),
        # imperatives
        ("Take warfarin.", "advised"), ("They take warfarin.", "unclear"), ("Rest, take warfarin.", "advised"), ("Please take warfarin.", "advised"),
    ],
)  # fmt: skip
def test_every_effect(graph, text, warfarin):
    assert stances(text, graph)["warfarin"] == warfarin


def test_every_effect_has_cues_and_a_method():
    assert set(StanceReader.EFFECTS) == set(Effect)
    assert len(set(StanceReader.EFFECTS.values())) == len(Effect)


def test_the_longest_cue_at_a_word_counts_and_ends_in_its_sentence():
    cues = stance_cues()

    def effect(text):
        cue = cues.at(TokenizedText(text), 0)
        return cue and (cue.effect, cue.size)

    assert effect("do not forget to rest") == ("advises_by_double_negation", 4)
    assert effect("do not forget rest") == ("advises_by_double_negation", 3)
    assert effect("do not rest") == ("opposes", 2)
    assert effect("do rest") is None
    assert effect("switch to rest") == ("advises", 2)
    assert effect("switch; to rest") == ("opposes", 1)


def shipped(tmp_path, *replacements):
    text = CUES_FILE.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "cues.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_phrase_is_added_by_one_entry_of_the_file(graph, tmp_path):
    text = "Kick off with warfarin."
    assert stances(text, graph) == {"warfarin": "unclear"}
    cues = read_stance_cues(shipped(tmp_path, ("  advises: [\n", "  advises: [\n    kick off with,\n")))
    assert stances(text, graph, cues) == {"warfarin": "advised"}
    assert stances("Never kick off with warfarin.", graph, cues) == {"warfarin": "against"}
    assert stances(text, graph) == {"warfarin": "unclear"}  # the package's own cues are as they were


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"not", never, "no", without', '"not", never, no, without', '"not", never', "a cue must be text, not False"),
        ("beware of,", "Beware of,", "ware of", "the cue 'Beware of' can match no text"),
        ("beware of,", "don't,", "don't", "the cue 'don't' can match no text"),
        ("beware of,", "give,", "steer clear of", "the cue 'give' occurs twice"),
        ("  neutral: [", "  neutrall: [", "neutrall", "unknown group 'neutrall'"),
        ("  neutral: [use of]", "  neutral: use of", "neutral:", "'neutral' must be a list of phrases"),
        ("swaps: [change,", "swaps: [change over,", "change over", "the cue 'change over' can match no text"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path, old, new, line, said):
    path = shipped(tmp_path, (old, new))
    number = next(i for i, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if line in text and "#" not in text)
    with pytest.raises(InputError) as refused:
        read_stance_cues(path)
    assert f"{path}:{number}:" in str(refused.value)
    assert said in str(refused.value)


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path):
    path = shipped(tmp_path, ("beware of,", "give, Beware of, yes,"))
    with pytest.raises(InputError) as refused:
        read_stance_cues(path)
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("text", ["", "[]", "cues: []\nwords: {}", "cues: {}"])
def test_a_file_of_another_form_is_refused(tmp_path, text):
    path = tmp_path / "cues.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_stance_cues(path)
