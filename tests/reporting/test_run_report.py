import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from bbflow.capabilities import Capability
from bbflow.errors import InputError
from bbflow.evaluation.statistics.clustered import paired_difference, score_interval
from bbflow.reporting.pages.run_page import render_run_page, summary
from bbflow.reporting.run_facts import RunFacts
from bbflow.reporting.run_report import build_report, scores_table, write_report
from bbflow.rewards.base import Reward

EVIL = "<script>alert('x')</script>&\"'"


class AnswerAccuracy(Reward):
    def __call__(self, examples, completions):
        return [1.0] * len(examples)


def table(rates, seed, items=200, clusters=40):
    rng = np.random.default_rng(seed)
    rows = [
        (f"{name}{i:04d}", f"drug:{i % clusters}", name, i % 4 == 0 and name == "safety", name, float(rng.random() < rate), f"text {EVIL}")
        for name, rate in rates.items()
        for i in range(items)
    ]
    return pd.DataFrame(rows, columns=["example_id", "cluster", "task", "open_book", "capability", "score", "completion"])


@pytest.fixture
def capabilities():
    return {
        name: Capability(metric=AnswerAccuracy(), rewards={"r": AnswerAccuracy()}, margin=0.04) for name in ("domain", "safety", "unused")
    }


@pytest.fixture
def before():
    return table({"domain": 0.5, "safety": 0.6}, 0)


@pytest.fixture
def after(before):
    """Domain gets better, safety gets worse; rows in another order than before."""
    rng = np.random.default_rng(1)
    score = np.where(
        before["capability"] == "domain", before["score"].where(rng.random(400) < 0.6, 1.0), before["score"] * (rng.random(400) < 0.5)
    )
    return before.assign(score=score).sample(frac=1, random_state=3)


NULLS = {"domain": {"constant": 0.2, "options_only": 0.3}, "safety": {"constant": 0.25}}
COST = {"seconds": 12.5, "tokens_generated": 1000, "trained_parameters": 20, "peak_memory_bytes": 2**20}
RECEIPT = {
    "verdict": {
        "contract": {"id": EVIL, "version": "1.0.0"}, "rows": 10, "accepted": 9, "quarantined": 1, "refused": False,
        "rules": [{"id": "no_phi", "name": "No names", "severity": "critical", "evaluated": 10, "failing": 1, "verdict": "quarantine"}],
    }
}  # fmt: skip


@pytest.fixture
def report(before, after, capabilities):
    return build_report(
        before,
        after,
        capabilities,
        RunFacts(NULLS, COST, {"splits": {"test": 400}, "receipt": RECEIPT}, {"seed": 7, "policy": EVIL}),
    )


class TestBuildReport:
    def test_has_the_shape_that_others_rely_on(self, report, before, after):
        assert set(report) == {"capabilities", "integration", "cost", "data", "provenance", "margins", "verdict"}
        assert list(report["capabilities"]) == ["domain", "safety"]  # `unused` judges nothing
        domain = report["capabilities"]["domain"]
        assert (domain["metric"], domain["n"], domain["clusters"], domain["margin"]) == ("answer_accuracy", 200, 40, 0.04)
        old, new = (t[t["capability"] == "domain"].set_index("example_id").sort_index() for t in (before, after))
        assert domain["before"]["score"] == pytest.approx(old["score"].mean())
        assert domain["after"]["ci"] == pytest.approx(score_interval(new["score"], new["cluster"].to_numpy()), abs=1e-6)
        expected = paired_difference(old["score"], new["score"], new["cluster"].to_numpy())
        assert domain["difference"]["estimate"] == pytest.approx(expected.estimate, abs=1e-6)
        assert domain["difference"]["lower"] == pytest.approx(expected.lower, abs=1e-6)
        assert domain["nulls"] == NULLS["domain"]
        assert {"score", "ci", "minimum", "geometric_mean"} == set(report["integration"]["after"])
        assert set(report["integration"]["difference"]) == {"estimate", "lower", "upper", "ci"}
        assert report["cost"]["tokens_generated"] == 1000

    def test_verdicts(self, report, before, after, capabilities):
        assert {n: e["verdict"] for n, e in report["capabilities"].items()} == {"domain": "improved", "safety": "regressed"}
        assert report["verdict"] == "refused"
        swapped = build_report(after, before, capabilities, RunFacts(NULLS))
        assert {n: e["verdict"] for n, e in swapped["capabilities"].items()} == {"domain": "regressed", "safety": "improved"}
        same = build_report(before, before, capabilities, RunFacts(NULLS))
        assert same["verdict"] == "certified"
        assert same["integration"]["difference"]["lower"] == 0.0

    def test_integration_uses_the_best_null(self, report):
        entries = report["capabilities"]
        skill = [max(0, (entries[n]["after"]["score"] - c) / (1 - c)) for n, c in (("domain", 0.3), ("safety", 0.25))]
        assert report["integration"]["after"]["score"] == pytest.approx(np.mean(skill), abs=1e-5)
        assert report["integration"]["after"]["minimum"] == pytest.approx(min(skill), abs=1e-5)

    def test_open_and_closed_book_stand_apart(self, report, after):
        safety = report["capabilities"]["safety"]
        chosen = after[(after["capability"] == "safety") & after["open_book"]]
        assert safety["open_book"]["n"] == 50
        assert safety["closed_book"]["n"] == 150
        assert safety["open_book"]["after"]["score"] == pytest.approx(chosen["score"].mean())
        assert "open_book" not in report["capabilities"]["domain"]

    def test_one_policy_has_scores_and_no_verdict(self, after, capabilities):
        report = build_report(None, after, capabilities, RunFacts(NULLS))
        assert set(report) == {"capabilities", "integration"}
        assert set(report["integration"]) == {"after"}
        assert not {"before", "difference", "verdict", "margin"} & set(report["capabilities"]["domain"])

    def test_items_without_a_cluster_stand_alone(self, before, after, capabilities):
        report = build_report(before.assign(cluster=""), after.assign(cluster=""), capabilities, RunFacts(NULLS))
        assert report["capabilities"]["domain"]["clusters"] == 200

    def test_refuses_what_cannot_be_paired(self, before, after, capabilities):
        with pytest.raises(InputError, match=r"1 items are scored on one side only, e\.g\. domain0000"):
            build_report(before, after[after["example_id"] != "domain0000"], capabilities, RunFacts(NULLS))
        with pytest.raises(InputError, match="scored twice") as caught:
            build_report(pd.concat([before, before.iloc[:1]]), after.assign(score=np.nan), capabilities, RunFacts(NULLS))
        assert len(caught.value.problems) == 2

    def test_same_seed_same_report(self, before, after, capabilities):
        first, second = (build_report(before, after, capabilities, RunFacts(NULLS, seed=3)) for _ in range(2))
        assert first == second


class Checker(HTMLParser):
    """Collects tags that are left open, and everything a browser would load or run."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.loads += [a for a, _ in attributes if a in ("src", "href", "onclick", "onload")] + [tag] * (
            tag in ("script", "link", "img", "iframe")
        )

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def checked(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.loads == []
    assert not re.search(r"https?://|url\(|@import", page)
    return " ".join(checker.text)


HISTORY = pd.DataFrame(
    {
        "step": [0, 1, 2, 2],
        "train/reward/domain": [0.1, 0.2, 0.3, np.nan],
        "train/reward_std/domain": [9.0, 9.0, 9.0, np.nan],
        "validation/domain": [np.nan, np.nan, np.nan, 0.5],
        "train/loss": [0.3, 0.2, 0.1, np.nan],
    }
)
ROLLOUTS = pd.DataFrame(
    {
        "step": [1, 1, 41, 41],
        "example_id": ["e1", "e1", "e2", "e2"],
        "prompt": [f"question {EVIL}"] * 4,
        "completion": ["early good", "early bad", "late good", "late " + "x" * 5000],
        "reward_domain": [1.0, 0.0, 0.75, 0.25],
        "reward_safety": [np.nan, 0.5, np.nan, np.nan],
        "advantage": [1.0, -1.0, 1.0, -1.0],
        "truncated": [False, False, False, True],
    }
)


class TestPage:
    def test_shows_everything_and_loads_nothing(self, report):
        text = checked(render_run_page(report, HISTORY, ROLLOUTS, "seed_everything: 7"))
        for said in (
            "domain improved (+0.", "The run is refused", "not clinical scores", "no medical advice", "best null model: options only 0.30",
            "training reward", "held-out score", "early good", "late good", "domain 0.75", "truncated", "seed_everything: 7",
            "10 checked, 9 accepted, 1 quarantined", "no_phi", "12.5 s", "safety, open book",
        ):  # fmt: skip
            assert said in text, said
        assert EVIL in text  # as text, not as markup: `checked` found no script
        assert "5000" not in text
        assert "x" * 1600 not in text

    def test_checkpoints_proofs_and_what_was_saved(self, report):
        history = pd.DataFrame(
            {"step": [1, 1, 2], "validation/domain": [0.2, np.nan, 0.4], "validation/safety": [0.5, np.nan, 0.6], "train/loss": [1, 2, 3]}
        )
        rollouts = pd.DataFrame(
            [{"step": 1, "example_id": "e", "prompt": "p", "completion": "c", "proof": "a treats b; b causes c", "reward_domain": 1.0}]
        )
        cost = {
            "trained_parameters": 10,
            "total_parameters": 1000,
            "training_state_bytes": 2**21,
            "full_training_state_bytes": 2**22,
            "flops_estimated": 60,
            "full_flops_estimated": 80,
        }
        page = render_run_page({**report, "cost": cost}, history, rollouts)
        assert "Pareto plot across checkpoints: step 1 0.350, 0.200; step 2 0.500, 0.400, on the front" in page
        assert "a treats b\nb causes c" in page
        for said in ("10 of 1,000 (1.0%)", "2 MiB (50% less than full fine-tuning)", "6.00e+01 FLOP (25% less than full fine-tuning)"):
            assert said in page

    def test_one_policy(self, after, capabilities):
        text = checked(render_run_page(build_report(None, after, capabilities, RunFacts(NULLS))))
        assert "Certificate" not in text
        assert "Scores: domain" in text
        assert "Curves" not in text
        assert "Rollouts" not in text

    def test_no_contract_is_said_loudly(self, before, after, capabilities):
        text = checked(render_run_page(build_report(before, after, capabilities, RunFacts(NULLS, data={"splits": {"test": 1}}))))
        assert "uncontracted" in text

    def test_nothing_judged(self, before, capabilities):
        empty = build_report(None, before.iloc[:0], capabilities, RunFacts())
        assert summary(empty) == "No capability was judged."
        checked(render_run_page(empty))


class TestWriteReport:
    def test_writes_both_files_and_leaves_nothing_else(self, tmp_path, report):
        page = write_report(tmp_path / "report", report, HISTORY, ROLLOUTS)
        assert sorted(p.name for p in page.parent.iterdir()) == ["index.html", "report.json"]
        assert json.loads((page.parent / "report.json").read_text()) == report

    def test_never_writes_what_is_no_json(self, tmp_path, report):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_report(tmp_path, report | {"cost": {"seconds": float("nan")}})
        assert not (tmp_path / "report.json").exists()

    def test_scores_item_by_item(self, before, after):
        joined = scores_table(before, after).set_index(["example_id", "capability"])
        old = before.set_index(["example_id", "capability"])["score"]
        assert len(joined) == 400
        assert (joined["score_before"] == old.reindex(joined.index)).all()
        assert "score_before" not in scores_table(None, after)
