"""The model card of an exported policy, filled from the checkpoint and the report of its run; missing facts are stated as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bbflow import __version__
from bbflow.evaluation.preregistration import Preregistration
from bbflow.reporting.template_rendering import render


@dataclass(frozen=True)
class ModelCardData:
    """Values of the card.

    Attributes:
        name: Name of the exported folder.
        base: Starting policy of the run.
        base_licence: Licence of the starting policy, None where its card names none.
        module: Class of the training module.
        step: Optimiser step of the checkpoint.
        data: State of the data module in the checkpoint; None without one.
        preregistration: Margins fixed before the run, or None.
        report: `report.json` of the run if it describes this step, else None.
        report_step: Step that the report of the run describes, if it is another one.
        form: "full weights", "adapter" or "merged adapter".
        logit_difference: Largest difference of a logit between checkpoint and folder.
        weights: Weight files of the folder and their hashes.
        local_base: Weight files and hashes of the starting policy, if an adapter refers to it by a folder of this machine.
    """

    name: str
    base: str
    base_licence: str | None
    module: str
    step: int
    data: Mapping[str, Any] | None
    preregistration: Preregistration | None
    report: Mapping[str, Any] | None
    report_step: int | None = None
    form: str = ""
    logit_difference: float = 0.0
    weights: Mapping[str, str] = field(default_factory=dict)
    local_base: Mapping[str, str] = field(default_factory=dict)


def model_card(card: ModelCardData) -> str:
    """Return the card as Markdown with the front matter that the Hub reads."""
    known = card.report or {}
    return render(
        "model_card.md.jinja",
        card=card,
        version=__version__,
        contract=contract_line(card.data),
        data=known.get("data") or {},
        provenance=known.get("provenance") or {},
    )


def contract_line(data: Mapping[str, Any] | None) -> str:
    """Return which contract the training data passed, or that they are uncontracted.

    >>> contract_line({"contract": {"id": "clinical_qa", "version": "1.2"}})
    'passed the data contract `clinical_qa` 1.2'
    >>> contract_line(None)
    '**uncontracted**: no data contract was checked'
    """
    contract = (data or {}).get("contract")
    if not isinstance(contract, Mapping) or not {"id", "version"} <= contract.keys():
        return "**uncontracted**: no data contract was checked"
    return f"passed the data contract `{contract['id']}` {contract['version']}"
