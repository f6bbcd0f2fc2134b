"""Amounts and decisions read from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.text.answers.quantities import Quantity, decision, quantities, single_quantity


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("500 mg", [Quantity(500.0, "mass")]), ("1,500 mg/d", [Quantity(1500 / 1440, "mass/time")]), ("-2 mL", [Quantity(-2.0, "volume")]),
        ("2 per week", [Quantity(2.0)]), ("0.5 g and 3 patients", [Quantity(500.0, "mass"), Quantity(3.0)]), ("0,5 g", []), ("none", []),
        ("1e3 ug", [Quantity(1.0, "mass")]), ("3 tablets daily", [Quantity(3 / 1440, "tablet/time")]),
    ],
)  # fmt: skip
def test_every_amount_is_read(text, found):
    assert [(pytest.approx(q.value), q.dimension) for q in found] == [(q.value, q.dimension) for q in quantities(text)]


@pytest.mark.parametrize("text", ["more than 5 mg", "<5 mg", "not 5 mg", "5 mg or 6 mg", "5 mg a day twice", "some"])
def test_bounds_and_two_amounts_are_no_amount(text):
    assert single_quantity(text) is None


def test_one_amount_in_two_units_is_one():
    assert single_quantity("at most 0.5 g (500 mg)") == Quantity(500.0, "mass")


@pytest.mark.parametrize(
    ("text", "said"), [("Yes!", "yes"), ("no, because", "no"), ("no doubt", None), ("not yes", None), ("Maybe.", "maybe")]
)
def test_decisions(text, said):
    assert decision(text) == said


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("500 mg", "0.5 g", True), ("1,500 mg/day", "1.5 g daily", True), ("62.5 mg/h", "1500 mg per day", True), ("250 ug", "0.25 mg", True),
        ("5 mL", "0.005 L", True), ("10 mg/kg", "10 mg", False), ("500 mg", "500 mL", False), ("500", "500 mg", False), ("2 tablets", "2 tablet", True),
        ("1e3 mg", "1 g", True), ("-5", "5", False), ("30 %", "30%", True), ("90 mL/min", "0.09 L/min", True), ("0.333 g", "333 mg", True),
        ("5 mg/5 mL", "1 mg/mL", True),
    ],
)  # fmt: skip
def test_amounts_convert(one: str, other: str, same: bool) -> None:
    assert quantities(one)[0].equals(quantities(other)[0]) is same


@given(
    st.floats(0.001, 1e6, allow_nan=False), st.sampled_from(["kg", "g", "mg", "ug", "ng"]), st.sampled_from(["kg", "g", "mg", "ug", "ng"])
)
def test_any_mass_converts_back(value: float, unit: str, other: str) -> None:
    milligrams = {"kg": 1e6, "g": 1e3, "mg": 1.0, "ug": 1e-3, "ng": 1e-6}
    said = f"{value:.12f} {unit}"
    converted = f"{float(f'{value:.12f}') * milligrams[unit] / milligrams[other]:.15f} {other}"
    one, two = single_quantity(said), single_quantity(converted)
    assert one is not None
    assert two is not None
    if two.value > 1e-9:
        assert one.equals(two, tolerance=1e-2)


def test_decisions_of_sentences() -> None:
    assert [decision(t) for t in ("No, it is not.", "yes, maybe", "unknown", "MAYBE")] == ["no", None, None, "maybe"]
