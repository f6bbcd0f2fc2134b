import pytest

from bbflow.evaluation.certificate import certify, run_verdict
from bbflow.evaluation.statistics.clustered import PairedDifference


def difference(lower, upper, p_value=0.5):
    return PairedDifference((lower + upper) / 2, lower, upper, p_value, 0.05, 400, 50)


@pytest.mark.parametrize(
    ("lower", "upper", "p_value", "verdict"),
    [
        (0.01, 0.10, 0.01, "improved"),
        (0.0, 0.10, 0.05, "preserved"),
        (-0.029, 0.10, 0.4, "preserved"),
        (-0.029, -0.001, 0.97, "preserved"),  # worse for sure, but by less than the owner accepts
        (-0.03, 0.10, 0.6, "inconclusive"),
        (-0.10, 0.0, 0.95, "inconclusive"),
        (-0.10, -0.001, 0.96, "regressed"),
    ],
)
def test_verdict_of_one_capability(lower, upper, p_value, verdict):
    assert certify({"x": difference(lower, upper, p_value)}, {"x": 0.03}).capabilities == {"x": verdict}


def test_holm_decides_what_is_named_improved():
    differences = {"a": difference(0.002, 0.1, 0.04), "b": difference(0.05, 0.1, 0.001), "c": difference(0.003, 0.1, 0.03)}
    found = certify(differences, dict.fromkeys("abc", 0.03))
    assert found.capabilities == {"a": "preserved", "b": "improved", "c": "preserved"}
    assert found.p_adjusted == pytest.approx({"a": 0.06, "b": 0.003, "c": 0.06})
    assert found.verdict == "certified"


def test_margin_is_that_of_the_capability():
    differences = {"a": difference(-0.04, 0.1), "b": difference(-0.04, 0.1)}
    assert certify(differences, {"a": 0.05, "b": 0.03}).capabilities == {"a": "preserved", "b": "inconclusive"}


@pytest.mark.parametrize(
    ("verdicts", "run"),
    [
        (["improved", "preserved"], "certified"),
        (["improved", "inconclusive"], "inconclusive"),
        (["improved", "regressed", "inconclusive"], "refused"),
        ([], "inconclusive"),
    ],
)
def test_verdict_of_the_run(verdicts, run):
    assert run_verdict({str(i): v for i, v in enumerate(verdicts)}) == run
