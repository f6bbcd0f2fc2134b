"""Amounts and decisions read from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbflow.text.quantities import decision, quantities, single_quantity


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


def test_decisions() -> None:
    assert [decision(t) for t in ("No, it is not.", "yes, maybe", "unknown", "MAYBE")] == ["no", None, None, "maybe"]
