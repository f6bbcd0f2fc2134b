"""Reading contracts: what is right, what is wrong and where, and that nothing in one is ever executed."""

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from contract_samples import contract_data, quality

from bbflow.contracts import RULES, data_contract_schema, load_contract
from bbflow.contracts.language.renamed_rules import RENAMED_RULES
from bbflow.errors import InputError

SHIPPED = Path(__file__).parents[3] / "data_contracts" / "clinical_qa.odcs.yaml"
WORDS = "c:12:72: 'schema[0].quality[0].implementation.kwargs.max_words' must be a whole number"
GOOD = """\
apiVersion: v3.1.0
kind: DataContract
id: test
version: 1.0.0
status: active
schema:
  - name: examples
    quality:
      - id: phi
        type: custom
        engine: greatExpectations
        implementation: {type: no_phi}
        severity: critical
"""


def problems(tmp_path, text):
    path = tmp_path / "c.odcs.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_contract(path)
    return [str(p).replace(str(path), "c") for p in error.value.problems]


def test_a_contract_is_read(tmp_path, write_contract):
    contract = load_contract(write_contract(quality("response_not_empty", "len", "warning", {"max_words": 9}), maxQuarantineFraction=0.25))
    rule = contract.rules[0]
    assert (rule.id, rule.rule.name, rule.kwargs, rule.severity, rule.on_failure) == (
        "len",
        "response_not_empty",
        {"max_words": 9},
        "warning",
        "quarantine",
    )
    assert contract.max_quarantine_fraction == 0.25


def test_without_a_fraction_nothing_may_be_quarantined(write_contract):
    assert load_contract(write_contract(quality("no_phi"))).max_quarantine_fraction == 0.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type: no_phi", "type: no_phy", "c:12:32: 'schema[0].quality[0].implementation.type' cannot be 'no_phy' (did you mean 'no_phi'?)"),
        ("critical", "fatal", "c:13:19: 'schema[0].quality[0].severity' cannot be 'fatal' (one of: critical, info, warning)"),
        ("severity: critical", "severty: critical", "c:13:18: unknown key 'severty' in 'schema[0].quality[0]' (did you mean 'severity'?)"),
        ("kind: DataContract", "kind: DataContracts", "c:2:7: 'kind' cannot be 'DataContracts' (did you mean 'DataContract'?)"),
        ("version: 1.0.0", "version: 1.0", "c:4:10: 'version' must be text, not 1.0 (put it in quotes)"),
        ("status: active", "status: 2024-01-01", "c:5:9: 'status' cannot be datetime.date(2024, 1, 1)"),
        ("{type: no_phi}", "{type: no_phi, kwargs: {deep: true}}", "c:12:55: unknown key 'deep' in 'schema[0].quality[0]."),
        ("{type: no_phi}", "no_phi", "c:12:25: 'schema[0].quality[0].implementation' must be a mapping, not 'no_phi'"),
        ("{type: no_phi}", "{type: os.system}", "c:12:32: 'schema[0].quality[0].implementation.type' cannot be 'os.system'"),
        ("{type: no_phi}", "{type: fields_of_task}", "c:12:25: 'schema[0].quality[0].implementation' lacks 'kwargs'"),
        ("{type: no_phi}", "{type: response_not_empty, kwargs: {max_words: x}}", WORDS),
        ("{type: no_phi}", "{type: response_not_empty, kwargs: {max_words: true}}", WORDS),
        ("engine: greatExpectations", "engine: soda", "c:11:17: 'schema[0].quality[0].engine' cannot be 'soda' "),
        ("id: phi", "id: a b", "c:9:13: 'schema[0].quality[0].id' cannot be 'a b' (letters, digits, - and _)"),
    ],
)  # fmt: skip
def test_every_mistake_has_a_place_and_a_suggestion(tmp_path, old, new, message):
    assert any(found.startswith(message) for found in problems(tmp_path, GOOD.replace(old, new))), problems(
        tmp_path, GOOD.replace(old, new)
    )


def test_several_mistakes_are_told_at_once(tmp_path):
    text = GOOD.replace("no_phi", "no_phy").replace("critical", "fatal").replace("status: active\n", "")
    assert len(problems(tmp_path, text)) == 3


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("{type: no_phi}", '!!python/object/apply:os.system ["touch pwned"]'),
        GOOD.replace("{type: no_phi}", "!!python/name:os.system"),
        GOOD.replace("{type: no_phi}", "!anything {type: no_phi}"),
        GOOD.replace("id: test", "id: &a test").replace("version: 1.0.0", "version: *a"),
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        GOOD.replace("id: test", "id: test\nid: again"),
        "[" * 100_000 + "]" * 100_000,
        "[1, 2",
        "",
        "- a list",
    ],
)
def test_tags_aliases_and_broken_yaml_are_refused(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert problems(tmp_path, text)
    assert not (tmp_path / "pwned").exists()


def test_former_rule_names_work_with_one_note(tmp_path, capsys):
    path = tmp_path / "c.odcs.yaml"
    path.write_text(GOOD.replace("{type: no_phi}", "{type: no_drug_against_renal_function}"))
    for _ in range(2):
        assert load_contract(path).rules[0].rule is RULES["no_renal_contraindication"]
    note = f"note: {path}:12:32: rule `no_drug_against_renal_function` is called `no_renal_contraindication` now; the old name works in this release\n"
    assert capsys.readouterr().err == note
    assert set(RENAMED_RULES.values()) <= set(RULES)
    assert not set(RENAMED_RULES) & set(RULES)


def test_severity_and_what_follows_must_fit(tmp_path, write_contract):
    for severity, action, fits in (
        ("critical", "quarantine", True),
        ("critical", "report", False),
        ("info", "refuse", False),
        ("warning", "refuse", True),
    ):
        path = write_contract(quality("no_phi", severity=severity, onFailure=action))
        if fits:
            assert load_contract(path).rules[0].on_failure == action
        else:
            with pytest.raises(InputError, match=f"a rule of severity {severity} cannot {action}"):
                load_contract(path)


def test_ids_properties_and_columns_stand_once(write_contract):
    with pytest.raises(InputError, match="id 'no_phi' stands twice in quality"):
        load_contract(write_contract(quality("no_phi"), quality("no_phi")))
    column = {"name": "task", "logicalType": "string"}
    with pytest.raises(InputError, match="name 'task' stands twice in properties"):
        load_contract(write_contract(quality("no_phi"), columns=[column, dict(column)]))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "half", True, float("nan")])
def test_the_fraction_lies_between_0_and_1(write_contract, fraction):
    with pytest.raises(InputError, match="value"):
        load_contract(write_contract(quality("no_phi"), maxQuarantineFraction=fraction))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_contract(tmp_path / "none.yaml")


def test_the_shipped_contract_is_valid_and_clinical():
    contract = load_contract(SHIPPED)
    clinical = [r for r in contract.rules if "clinical-safety" in r.tags]
    assert len(contract.rules) >= 6
    assert len(clinical) >= 3
    cautions = {"needs_no_caution", "text_needs_no_caution"}
    assert all(r.severity == "critical" and r.on_failure == "refuse" for r in clinical if r.rule.name not in cautions)
    assert {r.rule.name for r in clinical if r.severity == "warning" and r.on_failure == "quarantine"} == cautions
    assert {r.rule.name for path in SHIPPED.parent.glob("*.yaml") for r in load_contract(path).rules} == set(RULES)


def test_the_schema_says_the_same_as_the_reader(tmp_path):
    """jsonschema is the oracle: it accepts and refuses what `load_contract` accepts and refuses."""
    oracle = jsonschema.Draft202012Validator(data_contract_schema())
    jsonschema.Draft202012Validator.check_schema(data_contract_schema())
    assert oracle.is_valid(yaml.safe_load(SHIPPED.read_text()))
    candidates = [contract_data(quality(rule)) for rule in sorted(RULES)]
    candidates += [contract_data(quality("no_phi", severity=s)) for s in ("warning", "info", "none", 3)]
    candidates += [
        contract_data(quality("response_not_empty", kwargs=k))
        for k in ({"min_words": 2}, {"min_words": "2"}, {"min_word": 2}, {"min_words": True})
    ]
    candidates += [
        contract_data(quality("no_contraindicated_drug", kwargs={"predicates": p})) for p in (["caution_in"], ["treats"], "caution_in")
    ]
    candidates += [contract_data(quality("no_phi"), maxQuarantineFraction=f) for f in (0, 0.5, 2, "1")]
    candidates += [
        contract_data(quality("no_phi"), columns=[c])
        for c in ({"name": "a"}, {"name": "a", "logicalType": "array", "items": {"logicalType": "text"}})
    ]
    accepted = 0
    for candidate in candidates:
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump(candidate))
        try:
            load_contract(path)
            accepted += 1
            assert oracle.is_valid(candidate), candidate
        except InputError:
            assert not oracle.is_valid(candidate), candidate
    assert len(RULES) < accepted < len(candidates)


def test_importing_contracts_loads_neither_great_expectations_nor_pandas():
    code = "import sys, bbflow.contracts; print(sorted({'great_expectations', 'pandas', 'pyarrow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SHIPPED.parents[1])
    assert re.sub(r"\s", "", done.stdout) == "[]"
