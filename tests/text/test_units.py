"""The table of units: dimensions, exact factors, spellings, and what other modules derive from it."""

from fractions import Fraction

import pytest

from bbflow.synthesis.questions.dose import GRAMS
from bbflow.text.answers.quantities import Quantity, quantities
from bbflow.text.doses.dose_parsing import daily_dose
from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS, MILLIGRAMS, SPELLINGS, UNITS, Unit, unit_of


@pytest.mark.parametrize(
    ("word", "dimension", "factor"),
    [
        ("g", "mass", 1000), ("Grams", "mass", 1000), ("gm", "mass", 1000), ("µg", "mass", Fraction(1, 1000)),
        ("μg", "mass", Fraction(1, 1000)), ("mcgs", "mass", Fraction(1, 1000)), ("ng", "mass", Fraction(1, 10**6)),
        ("dL", "volume", 100), ("litres", "volume", 1000), ("mmol", "amount", 1), ("hours", "time", 60), ("weekly", "time", 10080),
        ("s", "time", Fraction(1, 60)), ("pills", "tablet", 1), ("%", "%", 1), ("m²", "m2", 1),
    ],
)  # fmt: skip
def test_a_word_is_a_unit_with_an_exact_factor(word, dimension, factor):
    assert unit_of(word) == Unit(dimension, Fraction(factor))


@pytest.mark.parametrize("word", ["", "patients", "mg/d", "gs.", "per"])
def test_other_words_are_no_units(word):
    assert unit_of(word) is None


def test_every_spelling_has_a_unit():
    assert set(SPELLINGS.values()) <= UNITS.keys()


def test_tables_of_doses_and_questions_derive_from_the_table():
    assert MILLIGRAMS == {"kg": 1e6, "g": 1e3, "mg": 1.0, "ug": 1e-3, "mcg": 1e-3, "µg": 1e-3, "μg": 1e-3, "ng": 1e-6}
    assert {"g": 1, "mg": Fraction(1, 1000), "ug": Fraction(1, 10**6)} == GRAMS
    assert {word: MASS_WORDS[word] for word in ("mgs", "grammes", "kilograms", "nanogram")} == {
        "mgs": 1.0, "grammes": 1e3, "kilograms": 1e6, "nanogram": 1e-6,
    }  # fmt: skip
    assert not {"ml", "d", "kgs", "pill"} & MASS_WORDS.keys()


def test_amounts_and_doses_read_the_same_words():
    assert quantities("5 gm") == quantities("5 grammes") == [Quantity(5000.0, "mass")]
    text = TokenizedText("5 nanograms")
    assert daily_dose(text, 0, 2)[0] == pytest.approx(5e-6)
