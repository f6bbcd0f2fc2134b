"""Doses and frequencies, with values worked out by hand."""

import pytest

from bbflow.text.doses.dose_parsing import daily_dose, front_dose
from bbflow.text.doses.dose_units import any_between
from bbflow.text.doses.frequencies import per_day
from bbflow.text.doses.numbers import number
from bbflow.text.tokenization import TokenizedText


@pytest.mark.parametrize(
    ("words", "times"),
    [
        # intervals
        ("every 6 hours", 4), ("every six hours", 4), ("q 8 h", 3), ("each 12 hrs", 2), ("every 4 to 6 hours", 6), ("every 4 6 hours", 6),
        ("every hour", 24), ("every half hour", 48), ("every 30 minutes", 48), ("every 8", 3), ("every 2 weeks", None), ("every", None),
        # repetitions and factors
        ("three times", 3), ("3 times a day", 3), ("2 doses", 2), ("4 x", 4), ("x 4", 4), ("x", None), ("many times", None), ("0 times", None),
        # adverbs and abbreviations
        ("once", 1), ("twice daily", 2), ("thrice", 3), ("daily", 1), ("hourly", 24), ("bid", 2), ("b i d", 2), ("t d s", 3), ("q i d", 4),
        ("o d", 1), ("nightly", 1),
        # times of the day, alone and with a word that says less
        ("morning and evening", 2), ("mornings", 1), ("morning mornings", 1), ("breakfast lunch and dinner", 3), ("daily at noon and at night", 2),
        ("twice daily in the morning", 2), ("per day", 1), ("a day morning noon and night", 3),
        ("mane et nocte", 2), ("nocte", 1), ("qam and qhs", 2), ("q a m and q h s", 2), ("am pm", 2), ("in the morning with breakfast", 1),
        ("8 am and 8 pm", 2), ("8 am 2 pm and 8 pm", 3), ("8 am in the morning", 1), ("08 00 and 20 00", 2), ("8 am and bedtime", 2),
        # meals
        ("with each meal", 3), ("after meals", 3), ("before every meal", 3), ("with both meals", 2), ("with the evening meal", 1),
        ("with meals and at bedtime", 4), ("twice daily with meals", 2), ("daily with each meal", 1), ("a c", 3),
        # Latin, and letters apart
        ("bds", 2), ("b d s", 2), ("ter in die", 3), ("bis in die", 2), ("q o d", 1), ("hs", 1),
        # schedules
        ("1 0 1", 2), ("1 1 1 1", 4), ("2 0 1", 3), ("1 1", 2), ("1 2 times", 2), ("0 0 1", 1),
        # hours, and fractions of a day
        ("4 24", 6), ("6 hourly", 4), ("six hourly", 4), ("4 to 6 hourly", 6), ("at 8 hour intervals", 3), ("every other hour", 12),
        ("every 24 hours", 1), ("in 24 hours", 1), ("every 2 to 3 days", None), ("once every 6 hours", 4), ("twice every day", 2),
        # rarer than daily
        ("three times a week", 1), ("twice weekly", 1), ("x 7 days", None), ("weekly", 1), ("every other day", None),
        # none
        ("", None), ("i am", None), ("with food", None), ("a little", None), ("per week", None),
        # the first frequency counts
        ("once or three times", 1),
    ],
)  # fmt: skip
def test_how_often_a_day(words, times):
    assert per_day(words.split()) == times


@pytest.mark.parametrize(
    ("words", "times"),
    [("twice daily", 2), ("3 times", 3), ("then twice daily", None), ("morning", None), ("", None)],
)
def test_a_frequency_on_the_next_line_begins_with_its_first_word(words, times):
    assert per_day(words.split(), at_once=True) == times


@pytest.mark.parametrize(
    ("text", "milligrams"),
    [
        ("5 mg", 5), ("0.5 g", 500), ("250 mcg", 0.25), ("five mg", 5), ("two hundred fifty mg", 250), ("two thousand five hundred mg", 2500),
        ("hundred mg", 100), ("1e3 mg", 1000), ("1.5e3 mg", 1500), ("1 000 mg", 1000), ("12 500 mg twice", 25_000), ("1.000,5 mg", 1000.5),
        ("5 mg twice", 10), ("twice daily 5 mg", 10), ("5 mg\nthree times a day", 15), ("5 mg. Walk twice daily", 5),
        ("two 10 mg tablets", 20), ("2 tablets of 10 mg", 20), ("two 10 mg tablets three times daily", 60), ("10 mg tablets", 10),
        ("2 500 mg tablets", 1000),  # two tablets, not two thousand five hundred milligrams
        ("5 mg then 20 mg", 20), ("10 mg in the morning and 5 mg at night", 15), ("10 mg in the morning then 40 mg", 40),
        ("5 mg 2 tablets", 10), ("5 mg (2 tablets) twice daily", 20), ("5 mg tablets take 2", 10), ("5 mg ii tabs", 10), ("5 mg x 2 tablets bd", 20),
        ("2 x 5 mg daily", 10), ("two of the 5 mg tablets", 10), ("5 mg, half a tablet", 2.5), ("5 mg, one and a half tablets", 7.5),
        ("5 mg 1/2 tablet bd", 5), ("5 mg, dispense 90 tablets", 5), ("5 mg tablets: ii po daily", 10), ("5 mg. Take 2 tablets daily", 10),
        ("1000 mg (2 tablets of 500 mg) twice daily", 2000), ("5 mg 1-0-1", 10), ("5 mg/h", 120), ("5 mg/h for 2 hours", 10), ("5 mg/day", 5),
        ("5 mg bd + 10 mg nocte", 20), ("5 mg od and 10 mg nocte", 15), ("5 mg daily or 10 mg daily", 10), ("5 mg daily then 10 mg daily", 10),
        ("1 g qid (max 4 g/day)", 4000), ("1 g qid (max 6 g/day)", 6000), ("1 g every 4 hours as needed, max 4 g/day", 4000),
        ("5 mg bd, titrate to 20 mg", 20), ("2 g in two divided doses", 2000), ("250 mg/5 mL, 10 mL bd", 1000), ("1.2 mg/dL", None),
        ("swallowed 12 g", None), ("70 kg", None), ("0.00001 kg", 10),
        ("50 m g", 50), ("5 mg per kg", None), ("5 mg/kg daily", None), ("some mg", None), ("daily", None),
    ],
)  # fmt: skip
def test_milligrams_per_day(text, milligrams):
    words = TokenizedText(text)
    assert daily_dose(words, 0, len(words.words))[0] == (None if milligrams is None else pytest.approx(milligrams))


@pytest.mark.parametrize(
    ("text", "milligrams"),
    [("1 e 0.5 mg", 0.5), ("1000000 e 3 mg", 1e9), (f"{'9' * 400} e 3 mg", 3)],
)  # fmt: skip
def test_an_odd_exponent_is_read_and_raises_nothing(text, milligrams):
    words = TokenizedText(text)
    assert daily_dose(words, 0, len(words.words))[0] == pytest.approx(milligrams)


def test_the_words_of_a_dose_are_its_amount_and_unit():
    words = TokenizedText("amlodipine at 2 tablets of 10 mg daily")
    assert daily_dose(words, 1, len(words.words))[:2] == (20, (5, 7))


def test_tablets_in_front_of_the_drug_multiply_its_dose():
    words = TokenizedText("Take 5 tablets of amlodipine 10 mg")
    assert daily_dose(words, 5, len(words.words), drug=4)[0] == 50
    assert daily_dose(words, 5, len(words.words))[0] == 10


def test_a_dose_is_looked_for_within_twelve_words_of_its_drug_and_its_sentence():
    for filler, found in ((11, 5), (12, None)):
        words = TokenizedText("amlodipine " + "and " * filler + "5 mg")
        assert daily_dose(words, 1, len(words.words))[0] == found
    words = TokenizedText("amlodipine first. Drink 5 mg")
    assert daily_dose(words, 1, len(words.words))[0] is None


def front(text, drug, previous_end=0, previous_has_front=False):
    words = TokenizedText(text)
    units = [i for i, word in enumerate(words.words) if word == "mg"]
    return front_dose(words, units, drug, previous_end, previous_has_front)


def test_a_dose_in_front_of_a_drug():
    assert front("Give 50 mg of amlodipine", 4) == (1, 2)
    assert front("Give 50 mg amlodipine", 3) == (1, 2)
    assert front("Give 50 mg oral tablets of amlodipine", 6) == (1, 2)
    assert front("Give 50 mg to her, amlodipine", 5) is None
    assert front("Give 50 mg. Amlodipine", 3) is None


def test_a_dose_between_two_drugs_is_that_of_the_first_unless_words_say_otherwise():
    assert front("amlodipine 50 mg metformin", 3, previous_end=1) is None
    assert front("amlodipine 50 mg of metformin", 4, previous_end=1) == (1, 2)
    assert front("amlodipine and 50 mg metformin", 4, previous_end=1) == (2, 3)
    assert front("5 mg amlodipine, 50 mg metformin", 5, previous_end=3, previous_has_front=True) == (3, 4)


def test_numbers_in_digits():
    assert [number(word) for word in ("5", "0,5", "1,000", "1.000.000", "1,000.5", "1.000,5", "mg")] == [
        5,
        0.5,
        1000,
        1e6,
        1000.5,
        1000.5,
        None,
    ]


def test_a_unit_between_two_words():
    assert [any_between([2, 7], *words) for words in ((0, 2), (0, 3), (3, 7), (7, 8), (8, 9))] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("text", "per_kg"),
    [("15 mg/kg q6h", 60), ("15 mg per kg", 15), ("50 mg/kg/day", 50), ("15 mg/kg/dose tid", 45), ("1 mg per kilogram of body weight bd", 2)],
)  # fmt: skip
def test_milligrams_per_day_and_kilogram(text, per_kg):
    words = TokenizedText(text)
    found = daily_dose(words, 0, len(words.words))
    assert (found.daily_mg, found.daily_mg_per_kg) == (None, per_kg)


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("5 mg daily", ""), ("5 mg", ""), ("5 mg for pain", ""), ("5 mg x 7 days", ""), ("5 mg tablets by mouth", ""), ("5 mg qxd", "5 mg qxd"),
        ("5 mg several times a day", "5 mg several times a day"), ("5 mg/m2 daily", "5 mg m 2"), ("5 mg 3/7", "5 mg 3 7"), ("5 mg zds", "5 mg zds"),
        ("5 mg every few hours", "5 mg every few hours"),
    ],
)  # fmt: skip
def test_a_frequency_that_cannot_be_read(text, unread):
    words = TokenizedText(text)
    assert " ".join(words.words[slice(*daily_dose(words, 0, len(words.words)).unread_words)]) == unread
