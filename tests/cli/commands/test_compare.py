import json

import pandas as pd
import pytest

from bbflow.cli.main import main
from bbflow.reporting.run_facts import RunFacts
from bbflow.reporting.run_report import build_report, scores_table, write_report


def table(rates, seed=0, items=120):
    import numpy as np

    rng = np.random.default_rng(seed)
    rows = [
        (f"{name}{i:03d}", f"c{i % 20}", name, False, name, float(rng.random() < rate), "text")
        for name, rate in rates.items()
        for i in range(items)
    ]
    return pd.DataFrame(rows, columns=["example_id", "cluster", "task", "open_book", "capability", "score", "completion"])


@pytest.fixture
def run(tmp_path, vowels):
    """Writes a run folder with these scores after training."""

    def make(name, rates, seed=1, inside="report", **changes):
        folder = tmp_path / name
        before, after = table(rates, 0, **changes), table(rates, seed, **changes)
        report = build_report(
            before, after, {n: vowels() for n in rates}, RunFacts({n: {"constant": 0.2} for n in rates}, {"training_seconds": 30.0})
        )
        write_report(folder / inside, report)
        scores_table(before, after).to_parquet(folder / inside / "scores.parquet", index=False)
        return folder

    return make


def compare(tmp_path, *runs):
    return main(["compare", *map(str, runs), "--out", str(tmp_path / "out")])


def test_differences_front_and_page(run, tmp_path, capsys):
    a = run("a", {"domain": 0.5, "safety": 0.8}, 1)
    b = run("b/version_0", {"domain": 0.9, "safety": 0.8}, 1)
    c = run("c", {"domain": 0.3, "safety": 0.3}, 2, inside="")
    assert compare(tmp_path, a, b, c) == 0
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert list(found["runs"]) == ["a", "b/version_0", "c"]
    assert found["reference"] == "a"
    assert [entry["pareto"] for entry in found["runs"].values()] == [False, True, False]
    domain = found["differences"]["b/version_0"]["capabilities"]["domain"]
    scores = [found["runs"][name]["capabilities"]["domain"]["score"] for name in ("a", "b/version_0")]
    assert domain["estimate"] == pytest.approx(scores[1] - scores[0], abs=1e-6)
    assert 0 < domain["lower"] < domain["estimate"] < domain["upper"]
    assert found["differences"]["c"]["integration"]["upper"] < 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Pareto plot" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "b/version_0" in capsys.readouterr().out


def test_a_run_against_itself(run, tmp_path):
    a = run("a", {"domain": 0.5})
    assert compare(tmp_path, a, a / ".") == 0
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    (change,) = found["differences"].values()
    assert change["capabilities"]["domain"]["estimate"] == 0
    assert all(entry["pareto"] for entry in found["runs"].values())


def test_other_items_are_refused(run, tmp_path, capsys):
    assert compare(tmp_path, run("a", {"domain": 0.5}), run("b", {"domain": 0.5}, items=100)) == 2
    assert "b: was judged on other items than a: 20 differ" in capsys.readouterr().err


def test_every_mistake_is_told_at_once(run, tmp_path, capsys):
    a = run("a", {"domain": 0.5})
    assert compare(tmp_path, a) == 2
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "report.json").write_text("{")
    assert compare(tmp_path, a, tmp_path / "none", tmp_path / "bad") == 2
    said = capsys.readouterr().err
    for line in ("at least two runs", "none: holds no report", "bad/report.json: is no report with scores"):
        assert line in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no report with scores"),
        ('{"capabilities": {}, "integration": {"after": {"score": 0.5, "ci": [0, 1]}}}', "`capabilities` or `integration`"),
        ('{"capabilities": {"domain": {}}, "integration": {"after": {"score": 0.5, "ci": [0, 1]}}}', "malformed"),
        (
            '{"capabilities": {"domain": {"after": {"score": 0.5, "ci": [0]}}}, "integration": {"after": {"score": 0.5, "ci": [0, 1]}}}',
            "malf",
        ),
        ('{"reward_model": {}}', "the report of a reward model"),
    ],
)
def test_a_malformed_report_is_named(run, tmp_path, capsys, text, said):
    a, b = run("a", {"domain": 0.5}), run("b", {"domain": 0.5})
    (b / "report" / "report.json").write_text(text)
    assert compare(tmp_path, a, b) == 2
    error = capsys.readouterr().err
    assert "report.json" in error
    assert said in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("score", [float("nan"), 7.0, "high"])
def test_a_malformed_score_table_is_named(run, tmp_path, capsys, score):
    a, b = run("a", {"domain": 0.5}), run("b", {"domain": 0.5})
    path = b / "report" / "scores.parquet"
    table = pd.read_parquet(path)
    table.assign(score_after=[score] * len(table)).to_parquet(path)
    assert compare(tmp_path, a, b) == 2
    assert str(path) in capsys.readouterr().err
    pd.concat([table, table]).to_parquet(path)
    assert compare(tmp_path, a, b) == 2
    assert f"{path}: 120 items are scored twice" in capsys.readouterr().err


def test_scores_that_were_measured_otherwise_are_refused(run, tmp_path, capsys):
    a, b = run("a", {"domain": 0.5}), run("b", {"domain": 0.5})
    for folder, tokens in ((a, 96), (b, 5)):
        path = folder / "report" / "report.json"
        known = {"provenance": {"max_new_tokens": tokens, "test_items_sha256": folder.name}}
        path.write_text(json.dumps(json.loads(path.read_text()) | known))
    assert compare(tmp_path, a, b) == 2
    error = capsys.readouterr().err
    assert "b: completions of at most 5 tokens were scored, in a of at most 96" in error
    assert "b: other items were scored than in a" in error


def test_a_file_where_the_folder_should_be(run, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert compare(tmp_path, run("a", {"domain": 0.5}), run("b", {"domain": 0.5})) == 2
    assert "--out: " in capsys.readouterr().err


def test_the_terminal_shows_whole_names(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    rates = dict.fromkeys(("domain", "reasoning", "instruction", "safety"), 0.5)
    assert compare(tmp_path, run("a/version_0", rates), run("a/version_1", rates)) == 0
    shown = capsys.readouterr().out
    assert shown.count("inconclusive") + shown.count("certified") + shown.count("refused") == 2
    assert "…" not in "".join(line.split("│")[1] for line in shown.splitlines() if line.startswith("│"))
