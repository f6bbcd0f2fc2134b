"""Data contracts: what data must satisfy before a policy is trained on them, written down by a clinical data team.

`contract` reads contract files, `validation` runs them, `verdict` holds the result and `receipt` its hashes. `language/` is what a contract
can say, `engine/` runs rules over rows, `rules/` holds the rules (one file, one test and one row in the docs each), and `integrations/`
connects Great Expectations.

A contract is a YAML file and nothing but data: it names rules of a closed set (`RULES`) and sets their arguments. Severity
decides what follows a failing row: critical refuses the data, warning quarantines the row as long as no more than
`maxQuarantineFraction` of all rows are (0 where the contract does not say), info only reports. A rule's `onFailure` may turn
critical into quarantine and warning into refuse. A rule that crashes, or that applied to no row (unless it says
`onEmpty: pass`), refuses, and so do data without rows.

Use in a data module::

    contract = load_contract(path)                                   # InputError: every mistake with line and column
    stale = check_receipt(folder / "receipt.json", path, files, graph)
    if stale:                                                        # nothing there yet, or a byte changed
        verdict = validate(contract, examples, graph)                # all splits together
        kept = verdict.keep(examples)                                # Refused, with every reason
        ...                                                          # write the files, and verdict.quarantine
        write_receipt(folder / "receipt.json", verdict, files, graph)

Nothing here loads Great Expectations or pandas before `validate` is called.
"""

from bbflow.contracts.contract import Contract, QualityRule, load_contract
from bbflow.contracts.engine.row import Finding, MalformedCell, Reason, Row
from bbflow.contracts.engine.rule import RULES, DataFile, Outcome, Rule, row_rule, table_rule
from bbflow.contracts.language.json_schema import data_contract_schema, verdict_schema
from bbflow.contracts.receipt import check_receipt, write_receipt
from bbflow.contracts.validation import validate
from bbflow.contracts.verdict import Failure, Quarantined, RuleResult, Verdict
from bbflow.text.phi import mask

__all__ = [
    "RULES",
    "Contract",
    "DataFile",
    "Failure",
    "Finding",
    "MalformedCell",
    "Outcome",
    "QualityRule",
    "Quarantined",
    "Reason",
    "Row",
    "Rule",
    "RuleResult",
    "Verdict",
    "check_receipt",
    "data_contract_schema",
    "load_contract",
    "mask",
    "row_rule",
    "table_rule",
    "validate",
    "verdict_schema",
    "write_receipt",
]
