"""The contract that is drafted for data without one."""

import yaml

from bbflow.contracts.language.scaffold import scaffold


def test_a_caution_sets_aside_and_what_forbids_refuses():
    row = {"response": "Give it.", "patient": {"conditions": []}, "recommended": [], "messages": [{"role": "user", "content": "Well?"}]}
    (schema,) = yaml.safe_load(scaffold([row], "mine", "examples", "data.jsonl"))["schema"]
    severities = {rule["id"]: rule["severity"] for rule in schema["quality"]}
    assert severities["needs-no-caution"] == severities["text-needs-no-caution"] == "warning"
    assert severities["no-contraindicated-drug"] == severities["text-no-contraindicated-drug"] == "critical"
