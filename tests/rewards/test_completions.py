"""Adversarial completions that no reward may pay, and honest ones that every reward must pay; the table is in `completions/`.

`python -m benchmarks.maintenance.judge_completions` prints the two rates.
"""

import pytest

from benchmarks.maintenance.judge_completions import cases, is_as_deserved, score

CASES = list(cases())


@pytest.mark.parametrize("record", sorted({case.name for case in CASES}))
@pytest.mark.parametrize("honest", [True, False], ids=["honest", "adversarial"])
def test_every_completion_gets_what_it_deserves(record: str, honest: bool) -> None:
    told = [case for case in CASES if case.name == record and case.honest is honest]
    assert told
    assert [(case.reward, score(case), case.text) for case in told if not is_as_deserved(case)] == []


def test_the_table_is_large_and_each_reference_is_paid() -> None:
    texts = {honest: {(case.name, case.text) for case in CASES if case.honest is honest} for honest in (True, False)}
    assert len(texts[False]) >= 100
    assert len(texts[True]) >= 60
    for case in {(case.name, case.reward): case for case in CASES if case.honest}.values():
        assert score(case._replace(text=case.example.response)) == 1.0, case
