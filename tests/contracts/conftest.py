"""Fixtures of the contract tests; the graph and the rows are in `contract_samples`."""

import pytest
import yaml
from contract_samples import contract_data, make_graph, make_row

from bbflow.contracts import RULES, Row, load_contract, validate


@pytest.fixture(scope="session")
def graph():
    return make_graph()


@pytest.fixture
def reasons(graph):
    """Runs one rule by itself: `reasons("no_phi", row, ...)` returns the reasons."""

    def run(rule, *rows, **kwargs):
        rows = rows or (make_row(),)
        return [f.reason for f in RULES[rule].run([Row(i, row) for i, row in enumerate(rows)], graph, **kwargs).findings]

    return run


@pytest.fixture
def write_contract(tmp_path):
    """Writes a contract of the given quality entries and returns its path."""

    def write(*rules, **more):
        path = tmp_path / "test.odcs.yaml"
        path.write_text(yaml.safe_dump(contract_data(*rules, **more), sort_keys=False))
        return path

    return write


@pytest.fixture
def judge(write_contract, graph):
    """Validates rows against a contract of the given quality entries."""

    def run(rows, *rules, **more):
        return validate(load_contract(write_contract(*rules, **more)), rows, graph)

    return run


@pytest.fixture
def register():
    """Registers rules for one test; they are gone afterwards."""
    before = dict(RULES)
    yield RULES
    RULES.clear()
    RULES.update(before)
