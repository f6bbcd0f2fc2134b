"""Records are checked when they are read."""

import pytest

from bbflow.errors import InputError
from bbflow.records import Example

WELL_FORMED = {
    "example_id": "e",
    "task": "t",
    "capabilities": ["a"],
    "messages": [{"role": "user", "content": "q"}],
    "response": "r",
    "answer": "a",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient", "x"), ("patient", {"conditions": "x"}), ("patient", {"age": "old"}), ("recommended", ["x"]), ("recommended", [{"dose": 1}]),
        ("messages", "x"), ("messages", ["x"]), ("messages", 3), ("constraints", 3), ("edges", 3), ("edges", ["abc"]), ("capabilities", 3), ("constraints", "x"), ("constraints", [{"type": "a"}]), ("hops", "x"), ("edges", [["a", "b"]]),
        ("workflow", "x"), ("open_book", "x"), ("options", "ab"), ("options", [1]), ("answer", 3), ("answer", None),
    ],
)  # fmt: skip
def test_a_record_with_a_field_of_another_type_is_refused_when_it_is_read(field: str, value: object) -> None:
    with pytest.raises(InputError, match=f"row 1.*'{field}"):
        Example.from_row({**WELL_FORMED, field: value}, "row 1")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("recommended", [{"drug": "amlodipine", "Dose": 50}], r"'recommended\[0\].Dose' \(did you mean 'dose'"),
        ("recommended", [{"drug": "a"}, {"drug": "b", "PerDay": 3}], r"'recommended\[1\].PerDay' \(did you mean 'per_day'"),
        ("recommended", [{"drug": "a", "dose_mg": 50}], r"'recommended\[0\].dose_mg' \(did you mean 'dose'"),
        ("recommended", [{"drug": "a", "frequency": "3x"}], r"'recommended\[0\].frequency' \(did you mean 'per_day'"),
        ("recommended", [{"drug": "a", "UNIT": None}], r"'recommended\[0\].UNIT' \(did you mean 'unit'"),
        ("recommended", [{"drug": "a", "zzz": 1}], r"'recommended\[0\].zzz' \(one of: dose, drug, per_day, route, unit"),
        ("patient", {"Allergies": ["penicillin"], "allergies": []}, r"'patient.Allergies' \(did you mean 'allergies'"),
        ("patient", {"ALLERGIES": []}, r"'patient.ALLERGIES' \(did you mean 'allergies'"),
        ("patient", {"allergy": []}, r"'patient.allergy' \(did you mean 'allergies'"),
        ("patient", {"meds": []}, r"'patient.meds' \(did you mean 'medications'"),
        ("patient", {"e_gfr": 20}, r"'patient.e_gfr' \(did you mean 'egfr'"),
        ("patient", {"gender": "male"}, r"'patient.gender' \(did you mean 'sex'"),
    ],
)  # fmt: skip
def test_an_unknown_key_of_a_patient_or_a_recommendation_is_refused_by_name(column, value, said):
    with pytest.raises(InputError, match=f"row 7.*{said}"):
        Example.from_row({**WELL_FORMED, column: value}, "row 7")
