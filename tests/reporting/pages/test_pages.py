"""Properties that every page shares: data is escaped, nothing is loaded or run, and the style is that of `style.css`."""

import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import jinja2
import pandas as pd
import pytest
from contract_samples import contract_data, make_graph, make_row, quality

from bbflow.contracts import load_contract, validate
from bbflow.reporting.pages.comparison_page import render_comparison_page
from bbflow.reporting.pages.contract_page import render_contract_page
from bbflow.reporting.pages.reward_page import render_reward_page
from bbflow.reporting.pages.run_page import render_run_page
from bbflow.reporting.pages.score_page import render_score_page
from bbflow.reporting.template_rendering import render

EVIL = "<script src=//x></script><img src=x onerror=y>&\"'{{ 7 * 7 }}"
SCORE = {"score": 0.5, "ci": [0.4, 0.6], "minimum": 0.1, "geometric_mean": 0.3, "product": 0.2}
CHANGE = {"estimate": 0.1, "lower": 0.05, "upper": 0.2, "ci": [0.0, 0.2], "detectable": 0.07}
EFFECT = {"mean": 0.1, "share_lowered": 0.5, "p_lowered": None}
ENTRY = {
    "metric": EVIL, "n": 10, "clusters": 5, "before": SCORE, "after": SCORE, "difference": CHANGE, "margin": 0.03, "verdict": "improved",
    "nulls": {EVIL: 0.2}, "open_book": {"n": 4, "before": SCORE, "after": SCORE},
}  # fmt: skip
UNSAFE = {"unsafe": 1, "n": 10, "upper": 0.4, "clusters": 5, "clusters_upper": 0.6}
RULE = {"id": EVIL, "name": EVIL, "severity": "critical", "evaluated": 0, "failing": 0, "verdict": "pass"}
RECEIPT = {"contract": {"id": EVIL, "version": "1"}, "rows": 9, "accepted": 8, "quarantined": 1, "refused": False, "rules": [RULE]}


def run_page() -> str:
    pair = {"pair": [EVIL, "safety"], "cosine": None, "cosine_error": None, "conflict_rate": 0.5, "p_conflict": 0.01}
    names = [EVIL, "safety"]
    report = {
        "capabilities": {EVIL: ENTRY, "safety": ENTRY},
        "verdict": "certified",
        "joint": {"capabilities": names, "n": 9, "clusters": 3, "before": SCORE, "after": SCORE, "difference": CHANGE},
        "unsafe_advice": {"alpha": 0.05, "before": UNSAFE, "after": UNSAFE},
        "integration": {"before": SCORE, "after": SCORE, "difference": CHANGE},
        "margins": {"sha256": "f" * 64, "fixed": "before_training"},
        "interference": {
            "names": names, "steps": 3, "weights": dict.fromkeys(names, 0.5), "harm_rate": {"update": 0.1, "weighted_sum": 0.2},
            "pairs": [pair], "signal": {EVIL: 0.3, "safety": None}, "applied": {EVIL: EFFECT}, "weighted_sum": {EVIL: EFFECT},
            "stationarity": 0.1,
        },
        "data": {"splits": {EVIL: 1}, "tasks": {EVIL: 1}, "nulls_learned_from": EVIL, "receipt": {"verdict": RECEIPT}},
        "cost": {"seconds": 1.0, EVIL: EVIL},
        "provenance": {EVIL: EVIL, "seeds": [EVIL]},
    }  # fmt: skip
    row = {"step": 1, "example_id": EVIL, "prompt": EVIL, "completion": EVIL, "proof": EVIL, f"reward_{EVIL}": 1.0, "truncated": True}
    history = pd.DataFrame(
        {
            "step": [1, 2],
            f"train/reward/{EVIL}": [0.1, 0.2],
            f"validation/{EVIL}": [0.1, 0.2],
            "validation/safety": [0.3, 0.4],
            f"interference/cosine/{EVIL}~safety": [0.1, -0.2],
            f"interference/weight/{EVIL}": [0.4, 0.6],
        }
    )
    return render_run_page(report, history, pd.DataFrame([row]), recipe=EVIL)


def comparison_page() -> str:
    runs = {run: {"capabilities": {EVIL: SCORE}, "integration": SCORE, "corrected": {EVIL: x}} for run, x in ((EVIL, 0.5), ("b", 0.4))}
    return render_comparison_page(
        {"reference": EVIL, "runs": runs, "differences": {"b": {"capabilities": {EVIL: CHANGE}, "integration": CHANGE}}}
    )


def reward_page() -> str:
    return render_reward_page(
        {
            "accuracy": 0.9,
            "ci": [0.8, 1.0],
            "held_out_accuracy": 0.7,
            "held_out_corruptions": [EVIL],
            "by_corruption": {EVIL: {"accuracy": 0.9, "ci": [0.8, 1.0], "baseline": 0.5, "n": 10, "held_out": True}},
            "worst_group": {"group": EVIL, "accuracy": 0.6, "n": 10},
            "baseline": {"accuracy": 0.5, "held_out_accuracy": None},
            "calibration": {"bins": [{"stated": 0.5, "observed": 0.4}], "ece": 0.1, "ece_raw": 0.2, "temperature": 1.5},
            "length": {"score_correlation": 0.1, "gap_correlation": 0.2, "mean_gap": 3.0},
        }
    )


def score_page() -> str:
    lowest = [{"id": EVIL, "score": 0.01, "weakest_head": EVIL, "response": EVIL}]
    return render_score_page(
        {"records": 2000, "kept": 1, "head": EVIL, "threshold": 0.5, "mean_score": 0.25, "histogram": [1] * 10, "outranked": 1,
         "truncated": 2, "dropped_by_weakest_head": {EVIL: 1}, "lowest": lowest}
    )  # fmt: skip


@pytest.fixture
def contract_page(tmp_path) -> str:
    path = tmp_path / "evil.odcs.yaml"
    rules = [{**quality(rule, owner=EVIL), "name": EVIL} for rule in ("entities_in_graph", "text_no_contraindicated_drug")]
    path.write_text(json.dumps({**contract_data(*rules), "name": EVIL}))
    rows = [make_row(example_id=EVIL, entities=[EVIL]), make_row(response=f"{EVIL} Start propranolol. {EVIL}")]
    graph = make_graph()
    return render_contract_page(validate(load_contract(path), rows, graph), rows, graph)


PAGES = {"run": run_page, "comparison": comparison_page, "reward": reward_page, "score": score_page}


@pytest.fixture(params=[*PAGES, "contract"])
def page(request) -> str:
    return PAGES[request.param]() if request.param in PAGES else request.getfixturevalue("contract_page")


class Elements(HTMLParser):
    """Collects tags, attributes and text; fails when a tag is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= set(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_text_from_data_is_escaped_and_never_a_template(page: str) -> None:
    elements = Elements(page)
    assert EVIL in elements.text
    assert "<script" not in page
    assert "<img" not in page
    assert "{{ 49 }}" not in page


def test_nothing_is_loaded_or_run(page: str) -> None:
    elements = Elements(page)
    assert not elements.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    names = {name for name, _ in elements.attributes}
    assert not names & {"src", "srcset", "action", "data", "xlink:href"}
    assert not [name for name in names if name.startswith("on")]
    assert all((value or "").startswith("#") for name, value in elements.attributes if name == "href")
    assert not re.search(r"https?://|url\(|@import", page)


def test_the_style_is_the_one_stylesheet(page: str) -> None:
    style = files("bbflow.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    assert re.findall(r"<style>\s*(.*?)\s*</style>", page, re.DOTALL) == [style.strip()]


def test_every_class_on_a_page_is_in_the_stylesheet(page: str) -> None:
    style = files("bbflow.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    used = {word for name, value in Elements(page).attributes if name == "class" for word in (value or "").split()}
    assert {name for name in used if not re.search(rf"\.{name}\b", style)} == set()


def test_a_variable_that_nobody_set_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="headline"):
        render("reward_model.html.jinja")
