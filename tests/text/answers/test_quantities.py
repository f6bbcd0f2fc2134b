"""Amounts and decisions; longer tables are in tests/rewards/test_values.py."""

import pytest

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
