"""The report of a reward model: `report.json` and a self-contained `index.html` with its reliability plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from bbflow.reporting.charts import plots
from bbflow.reporting.markup import Markup, el, join
from bbflow.reporting.run_report import round_floats

ABOUT = (
    "Pairs are a correct response and a copy with one thing wrong, under the same prompt. Entities of the test pairs are in no "
    "training pair. The baseline is a logistic regression on words, word pairs, length and words shared with the prompt: what it can "
    "tell, nobody needs to read the evidence for. Scores on synthetic questions; they say nothing about the care of patients."
)


def write_reward_report(folder: str | Path, result: Mapping[str, Any]) -> Path:
    """Writes both files; returns the path of the page.

    Args:
        folder: Made when it does not exist.
        result: What `bbflow.evaluation.pair_scores.evaluate_pairs` returned.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"reward_model": round_floats(result)}, indent=1) + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render(result), encoding="utf-8")
    return page


def render(result: Mapping[str, Any]) -> str:
    """Renders the page; every text that comes from data is escaped."""
    style = files("bbflow.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    head = el(
        "head", el("meta", charset="utf-8"), el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "bbflow reward model"), el("style", Markup(style)),
    )  # fmt: skip
    body = [
        el("header", el("p", "bbflow reward model", class_="kicker"), el("h1", headline(result)), el("p", ABOUT, class_="disclaimer")),
        el("section", el("h2", "Accuracy by corruption"), _by_corruption(result)),
        el("section", el("h2", "Calibration"), _calibration(result["calibration"])),
        el("section", el("h2", "Length"), _length(result["length"])),
    ]
    return "<!doctype html>\n" + el("html", head, el("body", el("main", *body)), lang="en") + "\n"


def render_score_report(summary: Mapping[str, Any]) -> str:
    """Renders what `bbflow score` kept and dropped; every text that comes from data is escaped."""
    style = files("bbflow.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    head = el(
        "head", el("meta", charset="utf-8"), el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "bbflow score"), el("style", Markup(style)),
    )  # fmt: skip
    kept = f"{summary['kept']:,} of {summary['records']:,} records kept"
    edges = [i / 10 + 0.05 for i in range(10)]
    chart = plots.line_chart(
        "scores", [plots.Line("records", edges, [float(n) for n in summary["histogram"]], plots.BLUE, marked=True)], x_label="probability"
    )
    reasons = {f"below the threshold, weakest head {name}": count for name, count in summary["dropped_by_weakest_head"].items()}
    reasons |= {"another candidate is better": summary["outranked"], "too long to be read whole": summary["truncated"]}
    lowest = [
        el("tr", *(el("td", el("span", cell), data_label=label) for label, cell in
           (("record", row["id"]), ("score", f"{row['score']:.3f}"), ("weakest head", row["weakest_head"]), ("response", row["response"]))))
        for row in summary["lowest"]
    ]  # fmt: skip
    names = ("record", "score", "weakest head", "response")
    table = el("table", el("thead", el("tr", *(el("th", name, scope="col") for name in names))), el("tbody", *lowest), class_="cards")
    rule = f"Deciding head: {summary['head']}; kept from a probability of {summary['threshold']:g}; mean {summary['mean_score']:.3f}."
    body = [
        el("header", el("p", "bbflow score", class_="kicker"), el("h1", kept), el("p", rule, class_="disclaimer")),
        el("section", el("h2", "Why records were dropped"), el("dl", *(join(el("dt", k), el("dd", f"{v:,}")) for k, v in reasons.items()))),
        el("section", el("h2", "Scores"), el("figure", el("figcaption", "Records by probability of being correct"), chart)),
        el("section", el("h2", "Lowest scores"), table),
    ]
    return "<!doctype html>\n" + el("html", head, el("body", el("main", *body)), lang="en") + "\n"


def headline(result: Mapping[str, Any]) -> str:
    """One sentence: accuracy, its interval, and the held-out corruption.

    >>> headline({"accuracy": 0.9, "ci": [0.88, 0.92], "held_out_accuracy": 0.8, "held_out_corruptions": ["unsafe_drug"]})
    'Prefers the correct response in 90.0% of held-out pairs [88.0%, 92.0%]; 80.0% for unsafe_drug, never trained on.'
    """
    low, high = result["ci"]
    unseen = result["held_out_accuracy"]
    more = "" if unseen is None else f"; {unseen:.1%} for {', '.join(result['held_out_corruptions'])}, never trained on"
    return f"Prefers the correct response in {result['accuracy']:.1%} of held-out pairs [{low:.1%}, {high:.1%}]{more}."


def _by_corruption(result: Mapping[str, Any]) -> Markup:
    heads = ("corruption", "accuracy", "95% interval", "baseline", "pairs")
    rows = [
        (name + (" (held out)" if part["held_out"] else ""), f"{part['accuracy']:.3f}", f"[{part['ci'][0]:.2f}, {part['ci'][1]:.2f}]",
         f"{part['baseline']:.3f}", str(part["n"]))
        for name, part in result["by_corruption"].items()
    ]  # fmt: skip
    body = [el("tr", *(el("td", el("span", cell), data_label=head) for head, cell in zip(heads, row, strict=True))) for row in rows]
    table = el("table", el("thead", el("tr", *(el("th", head, scope="col") for head in heads))), el("tbody", *body), class_="cards")
    worst = result["worst_group"]
    said = f"Worst group of 10 pairs or more: {worst['group']}, {worst['accuracy']:.3f} of {worst['n']}. " if worst else ""
    base = result["baseline"]
    unseen = "" if base["held_out_accuracy"] is None else f", {base['held_out_accuracy']:.3f} on the held-out corruption"
    note = f"{said}Shallow baseline: {base['accuracy']:.3f}{unseen}. Intervals take the pairs of one entity together."
    return join(table, el("p", note, class_="note"))


def _calibration(part: Mapping[str, Any]) -> Markup:
    bins = part["bins"]
    chart = plots.line_chart(
        "reliability",
        [
            plots.Line("perfect", [0.0, 1.0], [0.0, 1.0], plots.MUTED, faint=True),
            plots.Line("observed share correct", [b["stated"] for b in bins], [b["observed"] for b in bins], plots.BLUE, marked=True),
        ],
        limits=(0.0, 1.0), x_label="stated probability",
    )  # fmt: skip
    note = (
        f"Expected calibration error {part['ece']:.3f} after temperature scaling (T = {part['temperature']:.2f}, fitted on validation), "
        f"{part['ece_raw']:.3f} before; {len(bins)} bins of equal width."
    )
    return join(
        el("figure", el("figcaption", "Stated probability of being correct against the observed share"), chart),
        el("p", note, class_="note"),
    )


def _length(part: Mapping[str, Any]) -> Markup:
    note = (
        f"Correlation of score and length in characters: {part['score_correlation']:+.3f}. Correlation of the difference in score with the "
        f"difference in length within pairs: {part['gap_correlation']:+.3f}. The correct response is {part['mean_gap']:+.1f} characters "
        "longer on average."
    )
    return el("p", note)
