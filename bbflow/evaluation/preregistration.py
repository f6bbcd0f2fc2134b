"""Preregistration: margins fixed before a run and compared after it; a margin changed after the scores are known proves nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbflow.capabilities import Capability
from bbflow.errors import InputError, Problem
from bbflow.evaluation.certificate import ALPHA, Verdict, certify, run_verdict
from bbflow.evaluation.statistics.clustered import PairedDifference
from bbflow.io.atomic import atomic_write

FILE = "margins.json"
"""Name of the file in a run folder and in an exported policy."""
_DIGITS = 6  # digits of numbers in a report


@dataclass(frozen=True)
class Preregistration:
    """Preregistered margins.

    Attributes:
        margins: Capability to the loss that its owner accepts.
        alpha: One-sided error of each bound.

    >>> Preregistration({"domain": 0.03}).sha256[:12]
    '119d0d6df9b8'
    """

    margins: Mapping[str, float]
    alpha: float = ALPHA

    @property
    def sha256(self) -> str:
        """Hash of margins and alpha, independent of the order of the capabilities."""
        return hashlib.sha256(json.dumps([self.alpha, sorted(self.margins.items())]).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the preregistration as plain data, with its hash."""
        return {"alpha": self.alpha, "margins": dict(self.margins), "sha256": self.sha256}

    @classmethod
    def of(cls, capabilities: Mapping[str, Capability]) -> Preregistration:
        """Return the preregistration of the margins of capabilities."""
        return cls({name: float(capability.margin) for name, capability in capabilities.items()})

    @classmethod
    def from_json(cls, value: Any, where: str) -> Preregistration:
        """Read a preregistration from plain data.

        Raises:
            InputError: It is malformed, or was edited: the hash does not match the margins.
        """
        try:
            preregistration = cls({str(name): float(margin) for name, margin in value["margins"].items()}, float(value["alpha"]))
            unchanged = preregistration.sha256 == value["sha256"]
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(Problem("is no preregistration of margins: alpha, margins and sha256 are needed", where)) from error
        if not unchanged:
            raise InputError(Problem("the margins were changed after the run: their hash is not the one noted with them", where))
        return preregistration

    def problems(self, capabilities: Mapping[str, Capability], where: str) -> list[Problem]:
        """List the capabilities whose margin differs from the preregistered one, or that are not preregistered."""
        hint = "what a run is judged by is fixed at its start: set it back, or begin another run"
        found = [Problem(f"alpha was {self.alpha:g} before the run", where)] if self.alpha != ALPHA else []
        for name, capability in capabilities.items():
            fixed_margin = self.margins.get(name)
            if fixed_margin is None:
                found.append(Problem(f"no margin of '{name}' was fixed before the run", where, hint))
            elif float(capability.margin) != fixed_margin:
                found.append(
                    Problem(f"the margin of '{name}' is {capability.margin:g}, but {fixed_margin:g} was fixed before the run", where, hint)
                )
        return found


def write_preregistration(folder: Path, preregistration: Preregistration) -> None:
    """Write `margins.json` into a folder."""
    with atomic_write(folder / FILE) as draft:
        draft.write_text(json.dumps(preregistration.to_json(), indent=1) + "\n", encoding="utf-8")


def read_preregistration(folder: Path) -> Preregistration | None:
    """Read `margins.json` of a folder; None if there is none.

    Raises:
        InputError: The file is malformed or was edited.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"cannot be read: {error}", str(path))) from None
    return Preregistration.from_json(value, str(path))


def preregistration_of(checkpoint: Mapping[str, Any]) -> Preregistration | None:
    """Read the preregistration in a checkpoint of a run; None if it has none.

    Raises:
        InputError: It is malformed or was edited.
    """
    states = [state for state in checkpoint.get("callbacks", {}).values() if isinstance(state, Mapping)]
    given = next((state["margins"] for state in states if "margins" in state), None)
    return None if given is None else Preregistration.from_json(given, "margins in the checkpoint")


def certificate_problems(report: Mapping[str, Any], preregistration: Preregistration | None, where: str) -> list[Problem]:
    """List contradictions between a report and the preregistration, and verdicts that do not follow from its bounds and margins.

    Args:
        report: A well-formed report; one without a verdict claims nothing.
        preregistration: Margins fixed before the run; None if there is no record of them.
        where: File of the report.
    """
    if "verdict" not in report:
        return []
    stated, found = report["margins"], []
    margins = stated["margins"] if preregistration is None else preregistration.margins
    fixed = {name: round(margin, _DIGITS) for name, margin in margins.items()}
    claim = [stated["alpha"], stated["margins"], stated["sha256"]]
    if preregistration is not None and claim != [preregistration.alpha, fixed, preregistration.sha256]:
        found.append(Problem("its margins are not those that were fixed before the run", where))
    for name, entry in report["capabilities"].items():
        margin, fixed_margin, says = entry["margin"], fixed.get(name, "none"), _verdicts(entry)
        if margin != fixed_margin:
            found.append(Problem(f"the margin of '{name}' is {margin:g}, but {fixed_margin} was fixed before the run", where))
        elif entry["verdict"] not in says:
            found.append(Problem(f"'{name}' is called {entry['verdict']}, but its bounds and its margin say {says[0]}", where))
    whole = run_verdict({name: entry["verdict"] for name, entry in report["capabilities"].items()})
    if report["verdict"] != whole:
        found.append(Problem(f"the run is called {report['verdict']}, but the verdicts of its capabilities say {whole}", where))
    return found


def _verdicts(entry: Mapping[str, Any]) -> list[Verdict]:
    """Return the verdicts that follow from the numbers of a capability: unchanged, and shifted by the rounding error either way."""
    found: list[Verdict] = []
    difference = entry["difference"]
    for moved in (0.0, 10.0**-_DIGITS, -(10.0**-_DIGITS)):
        lower, upper, p = difference["lower"] + moved, difference["upper"] + moved, entry["p_improved"] - moved
        # The p-value is already adjusted, so each capability is decided separately.
        alone = {"it": PairedDifference(difference["estimate"], lower, upper, p, 0.0, entry["n"], entry["clusters"])}
        found.append(certify(alone, {"it": entry["margin"]}).capabilities["it"])
    return found
