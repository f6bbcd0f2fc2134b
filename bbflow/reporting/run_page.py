"""`index.html`: one file that shows a run to somebody who was not there. Nothing is loaded from elsewhere, nothing runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bbflow.reporting.charts import plots
from bbflow.reporting.charts.curves import curve_panels
from bbflow.reporting.charts.pareto import checkpoint_chart
from bbflow.reporting.interference_section import interference_section
from bbflow.reporting.markup import Markup, cards, document, el, join
from bbflow.reporting.rollout_samples import rollout_samples

if TYPE_CHECKING:
    import pandas as pd

DISCLAIMER = (
    "Scores on synthetic questions made from a knowledge graph. They are not clinical scores: they say nothing about the care of "
    "patients. bbflow trains language models; it gives no medical advice."
)
SIGNS = {"improved": "▲", "preserved": "=", "regressed": "▼", "inconclusive": "?", "certified": "✓", "refused": "✗"}


def render_page(
    report: Mapping[str, Any], history: pd.DataFrame | None = None, rollouts: pd.DataFrame | None = None, recipe: str | None = None
) -> str:
    """Renders the page; every text that comes from data is escaped.

    Args:
        report: What `bbflow.reporting.run_report.build_report` returned.
        history: Rows of metrics.csv.
        rollouts: Rows of the rollout log.
        recipe: Text of the recipe.
    """
    names = list(report["capabilities"])
    body = [
        el("header", el("p", "bbflow report", class_="kicker"), el("h1", summary(report)), el("p", DISCLAIMER, class_="disclaimer")),
        _section("Certificate" if "verdict" in report else "Scores", _certificate(report)),
        _section("Joint success", _joint(report["joint"]) if "joint" in report else None),
        _section("Unsafe advice", _unsafe(report["unsafe_advice"]) if "unsafe_advice" in report else None),
        _section("Integration score", _integration(report["integration"]) if "integration" in report else None),
        _section("Scores before and after" if "verdict" in report else "Scores and null models", _bars(report)),
        _section("Curves", curve_panels(history, names)),
        _section("Interference between capabilities", interference_section(report.get("interference"), history) or _unmeasured(report)),
        _section("Checkpoints", checkpoint_chart(history, names)),
        _section("Rollouts", rollout_samples(rollouts, names)),
        _section("Data and contract", _data(report["data"]) if "data" in report else None),
        _section("Cost", _facts(_cost(report["cost"])) if "cost" in report else None),
        _section("Provenance", _provenance(report.get("provenance", {}), recipe)),
    ]
    return document("bbflow report", *body)


def _unmeasured(report: Mapping[str, Any]) -> Markup | None:
    """Says why a trained run of several capabilities has no such section."""
    if len(report["capabilities"]) < 2 or not report.get("cost", {}).get("training_seconds"):
        return None
    return el(
        "p", "Not measured: the gradients were not taken apart. GRPO measures them with `weighting` or `measure_every`.", class_="note"
    )


def summary(report: Mapping[str, Any]) -> str:
    """Says in one or two sentences what the run did.

    >>> domain = {"difference": {"estimate": 0.13}, "verdict": "improved"}
    >>> safety = {"difference": {"estimate": -0.004}, "verdict": "preserved"}
    >>> summary({"capabilities": {"domain": domain, "safety": safety}, "verdict": "certified"})
    'domain improved (+0.13), safety preserved (-0.00). The run is certified.'
    """
    entries = report["capabilities"]
    if not entries:
        return "No capability was judged."
    if "verdict" not in report:
        return "Scores: " + ", ".join(f"{name} {entry['after']['score']:.2f}" for name, entry in entries.items()) + "."
    parts = [f"{name} {entry['verdict']} ({entry['difference']['estimate']:+.2f})" for name, entry in entries.items()]
    whole = ""
    if change := report.get("integration", {}).get("difference"):
        low, high = report["integration"]["before"]["score"], report["integration"]["after"]["score"]
        whole = f" The integration score went from {low:.2f} to {high:.2f} (95% lower bound of the change {change['lower']:+.2f})."
    verdict = {"certified": "is certified", "refused": "is refused", "inconclusive": "is inconclusive"}[report["verdict"]]
    return f"{', '.join(parts)}.{whole} The run {verdict}."


def _section(title: str, content: Markup | None) -> Markup | None:
    return el("section", el("h2", title), content) if content else None


def _certificate(report: Mapping[str, Any]) -> Markup:
    certified = "verdict" in report
    heads = ["capability", "metric", "before", "after", "difference", "L / U", "margin", "best null", "items", "clusters", "verdict"]
    if not certified:
        heads = [h for h in heads if h not in ("before", "difference", "L / U", "margin", "verdict")]
    rows = []
    for name, entry in report["capabilities"].items():
        cells: dict[str, object] = {
            "capability": el("strong", name),
            "metric": entry["metric"].replace("_", " "),
            "after": _with_interval(entry["after"]),
            "best null": _best_null(entry["nulls"]),
            "items": entry["n"],
            "clusters": entry["clusters"],
        }
        if certified:
            difference = entry["difference"]
            cells |= {
                "before": _with_interval(entry["before"]),
                "difference": el("strong", f"{difference['estimate']:+.3f}"),
                "L / U": el("span", f"{difference['lower']:+.3f} / {difference['upper']:+.3f}", class_="whole"),
                "margin": f"{entry['margin']:g}",
                "verdict": _badge(entry["verdict"]),
            }
        rows.append(cells)
    table = cards(heads, rows)
    if not certified:
        return join(table, el("p", "Brackets: 95% interval, items of one entity taken together.", class_="note"))
    blunt = ", ".join(f"{name} {entry['difference']['detectable']:.3f}" for name, entry in report["capabilities"].items())
    note = (
        "Items are paired, and counted by the entity they are about. L and U: one-sided 95% bounds of the difference. "
        "improved: L > 0 after Holm's correction; preserved: L > -margin; regressed: U < 0; else inconclusive. "
        f"Margins were fixed before {_when(report)}. "
        f"Difference that a test of this size finds with 80% power (decides nothing): {blunt}."
    )
    lead = el("p", "Verdict of the run: ", _badge(report["verdict"]), class_="verdict-line")
    return join(lead, table, el("p", note, class_="note"), _books(report["capabilities"]))


def _when(report: Mapping[str, Any]) -> str:
    margins = report.get("margins", {})
    when = "the run" if margins.get("fixed") == "before_training" else "this evaluation"
    return f"{when} (sha256 {margins['sha256'][:16]})" if margins else when


def _books(entries: Mapping[str, Any]) -> Markup | None:
    rows = []
    for name, entry in entries.items():
        for book in ("closed_book", "open_book"):
            if part := entry.get(book):
                change = f"{part['before']['score']:.3f} → " if "before" in part else ""
                rows.append(el("li", f"{name}, {book.replace('_', ' ')}: {change}{part['after']['score']:.3f} on {part['n']} items"))
    return el("ul", *rows, class_="note") if rows else None


def _integration(integration: Mapping[str, Any]) -> Markup:
    facts: dict[str, object] = {}
    for time in ("before", "after"):
        if part := integration.get(time):
            low, high = part["ci"]
            facts[time] = join(
                el("strong", f"{part['score']:.3f}"),
                f" [{low:.3f}, {high:.3f}], minimum {part['minimum']:.3f}, geometric mean {part['geometric_mean']:.3f}",
            )
    if change := integration.get("difference"):
        low, high = change["ci"]
        facts["difference"] = join(
            el("strong", f"{change['estimate']:+.3f}"), f" [{low:+.3f}, {high:+.3f}], one-sided 95% lower bound {change['lower']:+.3f}"
        )
    note = (
        "Mean over capabilities of max(0, (s - c) / (1 - c)), s the score, c that of the best null model: 0 is what can be reached without "
        "reading the question, 1 is perfect. Brackets: 95% bootstrap over clusters, joint over capabilities and over before and after."
    )
    return join(_facts(facts), el("p", note, class_="note"))


def _joint(joint: Mapping[str, Any]) -> Markup:
    facts: dict[str, object] = {
        "needed at once": ", ".join(joint["capabilities"]),
        "items": f"{joint['n']} in {joint['clusters']} clusters",
    }
    for time in ("before", "after"):
        if part := joint.get(time):
            facts[time] = join(_with_interval(part), f"; product of the shares alone {part['product']:.3f}")
    if change := joint.get("difference"):
        facts["difference"] = f"{change['estimate']:+.3f}, one-sided 95% bounds {change['lower']:+.3f} / {change['upper']:+.3f}"
    note = (
        "Share of the items that succeed in all of these capabilities together; the product is what independent capabilities would reach."
    )
    return join(_facts(facts), el("p", note, class_="note"))


def _unsafe(unsafe: Mapping[str, Any]) -> Markup:
    facts: dict[str, object] = {}
    for time in ("before", "after"):
        if part := unsafe.get(time):
            among = f"of {part['clusters']} entities at most a share of {part['clusters_upper']:.3f} with any"
            facts[time] = join(el("strong", f"{part['unsafe']} of {part['n']}"), f", rate at most {part['upper']:.3f}; {among}")
    note = (
        "Completions that advise a drug which the safety rules of the data contract forbid this patient, by the graph; giving no advice "
        f"counts as safe. At most: exact one-sided {100 * (1 - unsafe['alpha']):.0f}% upper limit (Clopper-Pearson)."
    )
    return join(_facts(facts), el("p", note, class_="note"))


def _bars(report: Mapping[str, Any]) -> Markup:
    panels = []
    for name, entry in report["capabilities"].items():
        bars = [
            plots.Bar(time, entry[time]["score"], tuple(entry[time]["ci"]), color)
            for time, color in (("before", plots.SKY), ("after", plots.BLUE))
            if time in entry
        ]
        listed = "; ".join(f"{null.replace('_', ' ')} {score:.2f}" for null, score in entry["nulls"].items())
        panels.append(_panel(name, plots.score_bars(name, bars, entry["nulls"]), f"Null models: {listed}" if listed else None))
    return el("div", *panels, class_="grid")


def _panel(title: str, chart: Markup, note: str | None = None) -> Markup:
    return el("figure", el("figcaption", title), chart, el("p", note, class_="note") if note else None)


def _data(data: Mapping[str, Any]) -> Markup:
    facts: dict[str, object] = {}
    if splits := data.get("splits"):
        facts["examples"] = ", ".join(f"{split} {count:,}" for split, count in splits.items())
    if tasks := data.get("tasks"):
        facts["test items per task"] = ", ".join(f"{task} {count:,}" for task, count in tasks.items())
    if note := data.get("nulls_learned_from"):
        facts["null models learned from"] = note
    verdict = (data.get("receipt") or {}).get("verdict")
    if not verdict:
        facts["contract"] = el("strong", "uncontracted: no data contract was checked")
        return _facts(facts)
    contract = verdict["contract"]
    facts["contract"] = f"{contract['id']} {contract['version']}: {'refused' if verdict['refused'] else 'accepted'}"
    facts["rows"] = f"{verdict['rows']:,} checked, {verdict['accepted']:,} accepted, {verdict['quarantined']:,} quarantined"
    heads = {"id": "rule", "name": "demands", "severity": "severity", "evaluated": "rows", "failing": "failing", "verdict": "verdict"}
    rules = [{label: rule.get(key, "") for key, label in heads.items()} for rule in verdict["rules"]]
    for rule in rules:  # a rule that met no row has proved nothing
        rule["verdict"] = rule["verdict"] if rule["rows"] else "met no row"
    return join(_facts(facts), cards(list(heads.values()), rules))


def _cost(cost: Mapping[str, Any]) -> dict[str, object]:
    shown: dict[str, object] = {}
    for key, value in cost.items():
        label = key.replace("_", " ")
        if key.startswith("full_") or key == "total_parameters":
            continue  # said beside what was used
        if key.endswith("seconds"):
            shown[label] = f"{value / 60:.1f} min" if value >= 120 else f"{value:.1f} s"
        elif key.endswith("bytes"):
            shown[label.removesuffix(" bytes")] = f"{value / 2**20:,.0f} MiB" + _saving(value, cost.get(f"full_{key}"))
        elif key == "flops_estimated":
            shown["arithmetic, estimated"] = f"{value:.2e} FLOP" + _saving(value, cost.get(f"full_{key}"))
        elif key == "trained_parameters" and "total_parameters" in cost:
            shown[label] = f"{value:,} of {cost['total_parameters']:,} ({value / max(cost['total_parameters'], 1):.1%})"
        else:
            shown[label] = f"{value:,}" if isinstance(value, int) else value
    return shown


def _saving(used: float, full: float | None) -> str:
    """What was saved against full fine-tuning, where anything was."""
    return f" ({1 - used / full:.0%} less than full fine-tuning)" if full and full > used else ""


def _provenance(provenance: Mapping[str, Any], recipe: str | None) -> Markup | None:
    facts = {key.replace("_", " "): v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for key, v in provenance.items()}
    text = el("details", el("summary", "recipe"), el("pre", recipe)) if recipe else None
    return join(_facts(facts) if facts else None, text) or None


def _facts(facts: Mapping[str, object]) -> Markup:
    return el("dl", *(join(el("dt", key), el("dd", value)) for key, value in facts.items()))


def _badge(verdict: str) -> Markup:
    return el("span", f"{SIGNS[verdict]} {verdict}", class_=f"badge {verdict}")


def _with_interval(part: Mapping[str, Any]) -> Markup:
    low, high = part["ci"]
    return join(el("strong", f"{part['score']:.3f}"), " ", el("span", f"[{low:.2f}, {high:.2f}]", class_="ci"))


def _best_null(nulls: Mapping[str, float]) -> str:
    if not nulls:
        return "none"
    name = max(nulls, key=lambda null: nulls[null])
    return f"{nulls[name]:.3f} ({name.replace('_', ' ')})"
