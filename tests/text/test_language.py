# ruff: noqa: RUF001
"""One detector of languages, for the verifier of instructions and for the rule of the contract."""

import pytest
from contract_samples import make_row

from bbflow.contracts import RULES, Row
from bbflow.text.language import count_non_latin, detect_language, language_scores, other_language

GERMAN = "Nehmen Sie dieses Medikament bitte jeden Morgen ein"
SWEDISH = "Ta det här läkemedlet varje morgon och inte på kvällen"
SENTENCES = {
    "en": "Take a beta blocker and a diuretic", "de": GERMAN, "sv": SWEDISH, "fr": "Prenez ce médicament le matin avec de l'eau",
    "es": "Tome este medicamento por la mañana con agua", "it": "Prenda questo farmaco con un po' di acqua", "nl": "Neem dit middel niet in met melk",
    "pt": "Tome este remédio com um copo de água", "pl": "Nie należy tego brać i nie jest to lek dla dzieci", "ru": "Не принимайте это с молоком",
    "ar": "لا تأخذ هذا الدواء مع الحليب في الصباح", "ja": "この薬を飲まないでください", "zh-cn": "请勿服用此药", "el": "Μην το παίρνετε", "hi": "यह दवा दूध के साथ न लें",
}  # fmt: skip


@pytest.mark.parametrize(("language", "sentence"), SENTENCES.items())
def test_each_sentence_is_in_its_language(language, sentence):
    assert detect_language(sentence) == language


@pytest.mark.parametrize("text", ["", "12 345", "!?", "amlodipine"])
def test_nothing_tells_the_language(text):
    assert detect_language(text) is None


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        (GERMAN, "en", "de"), (SWEDISH, "en", "sv"), (GERMAN, "de", None), (SENTENCES["en"], "en", None), (SENTENCES["en"], "de", "en"),
        ("amlodipine", "en", None), ("der die das", "en", None), ("I think that I must stop it", "en", None),
        ("a de novo mutation", "en", None),
    ],
)  # fmt: skip
def test_the_rule_agrees_with_the_detector(graph, text, expected, found):
    assert other_language(text, expected) == other_language(text, expected, text.lower().split()) == found
    outcome = RULES["response_in_language"].run([Row(0, make_row(response=text))], graph, language=expected)
    assert [f.reason for f in outcome.findings] == ([] if found is None else [f"the response reads like '{found}', not '{expected}'"])


def test_scores_count_words_and_letters_that_one_language_has_alone():
    assert language_scores("und die")["de"] == 2.0
    assert language_scores("übel")["de"] == 1.5  # 1.5 times the square root of one letter
    assert language_scores("и не", "cyrillic")["ru"] == 2.0


def test_letters_are_counted_by_alphabet():
    assert count_non_latin("5 µg, naïve, 1ª") == (0, 8)
    assert count_non_latin("варфарин a") == (8, 9)
