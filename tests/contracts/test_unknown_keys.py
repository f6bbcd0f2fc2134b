"""Keys of a patient or of a recommendation that nothing reads refuse the data, whatever the contract declares."""

import pytest
from contract_samples import make_row, recommend

from bbflow.contracts.contract import load_contract
from bbflow.contracts.language.column_mapping import map_rows

PATIENT = make_row()["patient"]
DECLARED = [{"name": "patient", "logicalType": "object"}, {"name": "recommended", "logicalType": "array"}]


def quality(rule):
    return {
        "id": rule,
        "type": "custom",
        "engine": "greatExpectations",
        "implementation": {"type": rule},
        "severity": "critical",
        "customProperties": [{"property": "onEmpty", "value": "pass"}],
    }


def reasons(verdict):
    return [(f.row, f.reason) for result in verdict.results for f in result.failures]


@pytest.mark.parametrize("columns", [DECLARED, []], ids=["declared", "nothing declared"])
@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"recommended": [recommend("drug:amlodipine") | {"Dose": 50}]}, "'recommended[0].Dose' is a key that nothing reads (did you mean 'dose'?)"),
        ({"recommended": [{"drug": "drug:amlodipine", "dose_mg": 50}]}, "'recommended[0].dose_mg' is a key that nothing reads (did you mean 'dose'?)"),
        ({"recommended": [{"drug": "drug:amlodipine", "Frequency": "3x"}]}, "'recommended[0].Frequency' is a key that nothing reads (did you mean 'per_day'?)"),
        ({"patient": {**PATIENT, "Allergies": ["x"]}}, "'patient.Allergies' is a key that nothing reads (did you mean 'allergies'?)"),
        ({"patient": {**PATIENT, "eGFR": 12}}, "'patient.eGFR' is a key that nothing reads (did you mean 'egfr'?)"),
    ],
)  # fmt: skip
def test_an_unknown_key_refuses_by_name_and_row(judge, columns, cells, said):
    verdict = judge([make_row(), {**make_row(), "example_id": "f" * 16, **cells}], quality("no_phi"), columns=columns)
    assert (1, said) in reasons(verdict)
    assert verdict.refused


def test_a_key_that_the_contract_declares_is_known_unless_it_imitates_one(judge):
    columns = [
        {"name": "patient", "logicalType": "object", "properties": [{"name": n, "logicalType": "number"} for n in ("weight", "eGFR")]}
    ]
    weight = judge([make_row(patient={**PATIENT, "weight": 70})], quality("no_phi"), columns=columns)
    assert not weight.refused
    assert judge([make_row(patient={**PATIENT, "eGFR": 12})], quality("no_phi"), columns=columns).refused


def test_a_flat_column_of_a_patient_is_not_dropped(write_contract):
    contract = load_contract(write_contract(quality("no_phi")))
    [row] = map_rows([{"response": "x", "patient.Allergies": "penicillin"}], {}, contract)
    assert row["patient"] == {"Allergies": "penicillin"}
