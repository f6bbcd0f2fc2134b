"""The certificate: a verdict on each capability after training, by rules fixed before it.

One-sided alpha, margins from the recipe, L and U the cluster-adjusted bounds of the paired difference. Per capability: *improved* if
L > 0 and the improvement is significant after Holm's correction over the capabilities; else *preserved* if L > -margin; else
*regressed* if U < 0; else *inconclusive*. The claim that all are preserved is an intersection-union test and needs no correction
(Berger 1982, Technometrics 24, 295-300). The detectable difference is for information only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bbflow.evaluation.statistics.clustered import PairedDifference
from bbflow.evaluation.statistics.multiple_testing import holm

Verdict = Literal["improved", "preserved", "regressed", "inconclusive"]
RunVerdict = Literal["certified", "refused", "inconclusive"]
ALPHA = 0.05


@dataclass(frozen=True)
class Certificate:
    """Verdicts of a run.

    Attributes:
        verdict: certified if every capability is improved or preserved, refused if one regressed, else inconclusive.
        capabilities: Verdict per capability.
        p_adjusted: Holm-adjusted p-value of "improved" per capability.
    """

    verdict: RunVerdict
    capabilities: dict[str, Verdict]
    p_adjusted: dict[str, float]


def certify(differences: Mapping[str, PairedDifference], margins: Mapping[str, float], alpha: float = ALPHA) -> Certificate:
    """Compute the verdict of each capability and of the run.

    Args:
        differences: Capability to its paired difference, bounds at `alpha`.
        margins: Capability to the loss that its owner accepts; one for each difference.
        alpha: One-sided error, also of Holm's procedure.

    >>> won = PairedDifference(0.13, 0.09, 0.17, 0.001, 0.05, 400, 50)
    >>> lost = PairedDifference(-0.1, -0.14, -0.06, 0.99, 0.05, 400, 50)
    >>> certify({"domain": won, "safety": lost}, {"domain": 0.03, "safety": 0.03}).capabilities
    {'domain': 'improved', 'safety': 'regressed'}
    """
    adjusted = holm({name: difference.p_value for name, difference in differences.items()})
    verdicts = {name: _verdict(difference, margins[name], adjusted[name] <= alpha) for name, difference in differences.items()}
    return Certificate(run_verdict(verdicts), verdicts, adjusted)


def _verdict(difference: PairedDifference, margin: float, survives_holm: bool) -> Verdict:
    if difference.lower > 0 and survives_holm:
        return "improved"
    if difference.lower > -margin:
        return "preserved"
    return "regressed" if difference.upper < 0 else "inconclusive"


def run_verdict(verdicts: Mapping[str, Verdict]) -> RunVerdict:
    """Combine the verdicts of the capabilities; without a capability nothing is certified.

    >>> run_verdict({"domain": "improved", "safety": "preserved"})
    'certified'
    >>> run_verdict({})
    'inconclusive'
    """
    if "regressed" in verdicts.values():
        return "refused"
    return "certified" if verdicts and "inconclusive" not in verdicts.values() else "inconclusive"


def gate_failure(report: Mapping[str, Any]) -> str:
    """Return the reason why a run fails the gate.

    >>> gate_failure({"verdict": "refused", "capabilities": {"safety": {"verdict": "regressed"}}})
    'the run is not certified but refused: safety regressed'
    """
    if "verdict" not in report:
        return "the run is not certified: there is nothing to compare with"
    found = ", ".join(f"{name} {entry['verdict']}" for name, entry in report["capabilities"].items())
    return f"the run is not certified but {report['verdict']}: {found}"
