# ruff: noqa: RUF001
"""Each folding, and where they differ on purpose."""

import pytest

from bbflow.graph.knowledge_graph import fold
from bbflow.text.normalization import (
    duplicate_key,
    fold_any_script,
    fold_characters,
    name_key,
    normalize,
    normalize_with_places,
    normalized_words,
    plain_words,
    unspaced_key,
)
from bbflow.text.tokenization import TokenizedText


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("naïve", "naive"), ("ﬁbrate", "fibrate"), ("Ｗarfarin", "Warfarin"), ("war\u200bfarin", "warfarin"), ("co‑trimoxazole", "co-trimoxazole"),
        ("wаrfarin", "warfarin"), ("5 μg", "5 μg"), ("propran0lol", "propranolol"), ("a1c", "a1c"), ("10mg", "10mg"), ("HbA1c", "HbA1c"),
    ],
)  # fmt: skip
def test_normalize_keeps_case_and_punctuation(text, folded):
    assert normalize(text) == folded


def test_digits_are_read_apart_from_characters():
    assert fold_characters("prоpran0lol") == "propran0lol"


def test_places_point_into_the_original():
    folded, places = normalize_with_places("ﬁb\u200brate")
    assert (folded, places) == ("fibrate", [0, 0, 1, 3, 4, 5, 6])
    assert normalize_with_places("plain") == ("plain", None)


@pytest.mark.parametrize("spelling", ["Co-Trimoxazole", "cotrimoxazole", "CO TRIMOXAZOLE.", "co‑trimоxazole"])
def test_names_have_one_key(spelling):
    assert name_key(spelling) == "cotrimoxazole"


def test_foldings_differ_on_purpose():
    text = "Β-Blocker 2.5 mg!"
    assert fold(text) == "blocker 2 5 mg"
    assert fold_any_script(text) == "β blocker 2 5 mg"
    assert name_key(text) == "bblocker2.5mg"
    assert duplicate_key(" Β-Blocker  2.5 mg!") == "b-blocker 2.5 mg!"
    assert unspaced_key(text) == "b-blocker2.5mg!"
    assert normalized_words(text) == ["b", "blocker", "2.5", "mg"]
    assert normalized_words(text, mask_numbers=True) == ["b", "blocker", "#", "mg"]
    assert plain_words(text) == ["β", "blocker", "2", "5", "mg"]


def test_words_sentences_and_spans():
    text = TokenizedText("Give wаr-farin 2.5 mg. Stop; now\n- rest")
    assert text.words == ["give", "war", "farin", "2.5", "mg", "stop", "now", "rest"]
    assert text.bounds == [0, 5, 6, 8]
    assert text.sentence(6) == (6, 8)
    assert text.text[slice(*text.span(1, 3))] == "wаr-farin"
