"""The model card of an exported policy, filled from the checkpoint and the report of its run; what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bbflow import __version__
from bbflow.evaluation.preregistration import Preregistration

DISCLAIMER = (
    "**It gives no medical advice.** It was trained and judged on synthetic questions made from a knowledge graph that no clinician has "
    "verified. Nothing here is for patient care."
)
LIMITS = (
    "Scores hold for questions of the same generator and the same graph, greedy decoding; they say nothing about clinical use.",
    "Facts of the graph are curated, not verified by clinicians; what the graph does not hold, the policy was never judged on.",
    "A certificate bounds the loss against the starting policy, in the capabilities that the recipe names and in no other.",
)


@dataclass(frozen=True)
class ModelCardData:
    """What the card says.

    Attributes:
        name: Of the exported folder.
        base: The policy that the run started from.
        base_licence: Its licence, where its own card names one.
        module: Class that trained it.
        step: Optimiser step of the checkpoint.
        data: What the data module left in the checkpoint; None when nothing.
        promise: Margins that were fixed before the run, or None.
        report: `report.json` of the run if it is about this very step, else None.
        report_step: Step that the run's report is about, if it is another one.
        form: "full weights", "adapter" or "merged adapter".
        logit_difference: Largest difference of a logit between checkpoint and folder.
        weights: Files of weights and their hashes.
        local_base: The same of the policy that an adapter names by a folder of this machine; empty where it names none.
    """

    name: str
    base: str
    base_licence: str | None
    module: str
    step: int
    data: Mapping[str, Any] | None
    promise: Preregistration | None
    report: Mapping[str, Any] | None
    report_step: int | None = None
    form: str = ""
    logit_difference: float = 0.0
    weights: Mapping[str, str] = field(default_factory=dict)
    local_base: Mapping[str, str] = field(default_factory=dict)


def model_card(facts: ModelCardData) -> str:
    """Renders the card as Markdown with the front matter that the Hub reads."""
    front = ["---", f"license: {facts.base_licence or 'unknown'}", f"base_model: {facts.base}", "language: [en]"]
    front += ["tags: [bbflow, medical, synthetic]", "library_name: transformers", "---"]
    head = [f"# {facts.name}", "", DISCLAIMER, "", f"Trained by bbflow {__version__} ({facts.module}, {facts.step} steps) from"]
    head += [f"`{facts.base}`; these are its {facts.form}. Largest difference of a logit to the checkpoint: {facts.logit_difference:.1e}."]
    licences = [f"- starting policy `{facts.base}`: {facts.base_licence or 'its card names none'}", f"- data: {_data_licence(facts)}"]
    parts = [
        *front, *head, "", *_hashes(facts.weights), "",
        "## Data", "", *_data(facts), "",
        "## Certificate", "", *_certificate(facts), "",
        "## Limits", "", *(f"- {limit}" for limit in LIMITS), "",
        "## Licence", "", *licences, "",
        "## How to load it", "", *_loading(facts), "",
    ]  # fmt: skip
    return "\n".join(parts)


def contract_line(data: Mapping[str, Any] | None) -> str:
    """Says which contract the training data passed, or that they are uncontracted.

    >>> contract_line({"contract": {"id": "clinical_qa", "version": "1.2"}})
    'passed the data contract `clinical_qa` 1.2'
    >>> contract_line(None)
    '**uncontracted**: no data contract was checked'
    """
    contract = (data or {}).get("contract")
    if not isinstance(contract, Mapping) or not {"id", "version"} <= contract.keys():
        return "**uncontracted**: no data contract was checked"
    return f"passed the data contract `{contract['id']}` {contract['version']}"


def _data(facts: ModelCardData) -> list[str]:
    lines = [f"- contract: {contract_line(facts.data)}"]
    known = facts.report or {}
    if receipt := (known.get("data") or {}).get("receipt"):
        verdict = receipt["verdict"]
        lines.append(f"- rows: {verdict['accepted']:,} accepted of {verdict['rows']:,}, {verdict['quarantined']:,} in quarantine")
    if splits := (known.get("data") or {}).get("splits"):
        lines.append("- examples: " + ", ".join(f"{split} {count:,}" for split, count in splits.items()))
    provenance = known.get("provenance") or {}
    if graph := provenance.get("graph"):
        lines.append(f"- graph: `{graph}`, sha256 `{provenance['graph_sha256']}`")
    return lines


def _data_licence(facts: ModelCardData) -> str:
    return str(((facts.report or {}).get("provenance") or {}).get("graph_licence") or "unknown; see the graph's own licence")


def _certificate(facts: ModelCardData) -> list[str]:
    if facts.report is None:
        why = (
            f"the report of the run is about step {facts.report_step}, not {facts.step}" if facts.report_step else "the run wrote no report"
        )
        return [f"**None**: {why}. Nothing is claimed about what was gained or lost."]
    if "verdict" not in facts.report:
        return ["**None**: the run was compared with nothing."]
    lines = [f"Verdict of the run: **{facts.report['verdict']}**.", ""]
    lines += [
        "| capability | items | clusters | before | after | difference [L, U] | margin | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in facts.report["capabilities"].items():
        change = entry["difference"]
        bounds = f"{change['estimate']:+.3f} [{change['lower']:+.3f}, {change['upper']:+.3f}]"
        scores = f"{entry['before']['score']:.3f} | {entry['after']['score']:.3f}"
        lines.append(f"| {name} | {entry['n']} | {entry['clusters']} | {scores} | {bounds} | {entry['margin']:g} | {entry['verdict']} |")
    lines += ["", "L and U: one-sided 95% bounds, items of one entity taken together."]
    if facts.promise is not None:
        lines[-1] += f" Margins fixed before the run, sha256 `{facts.promise.sha256}`."
    if unsafe := (facts.report.get("unsafe_advice") or {}).get("after"):
        counted = f"Unsafe advice: {unsafe['unsafe']} of {unsafe['n']} items that ask for a drug"
        lines += ["", f"{counted}; its rate is at most {unsafe['upper']:.3f} (exact one-sided 95% limit)."]
    return lines


def _loading(facts: ModelCardData) -> list[str]:
    load = [
        f'{it} = {auto}.from_pretrained("{facts.name}")' for it, auto in (("model", "AutoModelForCausalLM"), ("tokenizer", "AutoTokenizer"))
    ]
    needs = ["", "An adapter: needs `peft`, and the starting policy where `adapter_config.json` says."] if facts.form == "adapter" else []
    if facts.local_base:
        needs[-1] += (
            " **That is a folder of the machine that wrote it**: elsewhere, write where your copy lies, or export with `--merge`, "
            "which needs no starting policy. The copy must have these weights:"
        )
        needs += ["", *_hashes(facts.local_base)]
    return ["```python", "from transformers import AutoModelForCausalLM, AutoTokenizer", "", *load, "```", *needs]


def _hashes(weights: Mapping[str, str]) -> list[str]:
    return [f"- `{name}`: sha256 `{digest}`" for name, digest in weights.items()]
