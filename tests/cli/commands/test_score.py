"""`bbflow score` on files as a company has them, and `bbflow rewards`."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from bbflow.cli.main import main
from bbflow.data.example_io import write_examples
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.reward_heads import RewardModelFile, RewardScorer
from bbflow.synthesis.corruption import HEADS

ROWS = [
    {
        "ticket": "t1",
        "question": "Which drug treats hypertension?",
        "reply": "Answer: amlodipine",
        "source": "amlodipine treats hypertension.",
    },
    {
        "ticket": "t1",
        "question": "Which drug treats hypertension?",
        "reply": "Answer: metformin",
        "source": "amlodipine treats hypertension.",
    },
    {"ticket": "t2", "question": "Which drug treats type 2 diabetes?", "reply": "metformin", "source": "metformin treats type 2 diabetes."},
]
MAPPING = ["--prompt", "question", "--response", "reply"]


@pytest.fixture(scope="module")
def model(tiny_qwen_dir: Path, tmp_path_factory) -> Path:
    torch.manual_seed(0)
    scorer = RewardScorer(load_policy(PolicySettings(path=str(tiny_qwen_dir))), RewardModelFile(HEADS, max_length=160))
    folder = tmp_path_factory.mktemp("rm")
    scorer.save(folder)
    return folder


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        frame = pd.DataFrame(rows)
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    return path


def read(path: Path) -> pd.DataFrame:
    return {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[path.suffix](path)


@pytest.mark.parametrize("given", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("wanted", [".parquet", ".jsonl", ".csv"])
def test_any_table_in_and_out_with_a_column_mapping(model: Path, tmp_path: Path, given: str, wanted: str) -> None:
    data, out = write(tmp_path / f"data{given}", ROWS), tmp_path / f"out{wanted}"
    assert main(["score", "--reward-model", str(model), "--data", str(data), "--out", str(out), *MAPPING, "--evidence", "source"]) == 0
    table = read(out)
    assert list(table["reply"]) == [row["reply"] for row in ROWS]
    assert {"score", "kept", "truncated", *(f"score_{head}" for head in HEADS), *(f"gate_{head}" for head in HEADS)} <= set(table)
    assert table["score"].between(0, 1).all()
    assert table[[f"gate_{head}" for head in HEADS]].sum(axis=1).round(5).eq(1.0).all()
    assert (table["kept"] == (table["score"] >= 0.5)).all()
    report = json.loads((tmp_path / "out-report" / "report.json").read_text())["score"]
    assert report["records"] == 3
    assert report["kept"] + report["dropped"] == 3
    assert sum(report["dropped_by_weakest_head"].values()) == report["dropped"]
    assert "records kept" in (tmp_path / "out-report" / "index.html").read_text()


def test_the_same_score_in_any_order_and_batch(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    one, other = write(tmp_path / "one.jsonl", ROWS), write(tmp_path / "other.jsonl", ROWS[::-1])
    assert main(["score", "--reward-model", str(model), "--data", str(one), "--out", str(first), *MAPPING]) == 0
    assert main(["score", "--reward-model", str(model), "--data", str(other), "--out", str(second), *MAPPING, "--batch-size", "1"]) == 0
    assert read(first)["score"].round(5).tolist() == read(second)["score"].round(5).tolist()[::-1]


def test_threshold_and_kept_only(model: Path, tmp_path: Path) -> None:
    data, out = write(tmp_path / "data.jsonl", ROWS), tmp_path / "out.jsonl"
    command = ["score", "--reward-model", str(model), "--data", str(data), "--out", str(out), *MAPPING]
    assert main([*command, "--threshold", "0", "--kept-only"]) == 0
    assert len(read(out)) == 3
    assert main([*command, "--threshold", "1", "--kept-only"]) == 0
    assert out.read_text() == ""


def test_best_of_rows_and_of_a_list(model: Path, tmp_path: Path) -> None:
    data, out = write(tmp_path / "data.jsonl", ROWS), tmp_path / "out.parquet"
    assert (
        main(
            [
                "score",
                "--reward-model",
                str(model),
                "--data",
                str(data),
                "--out",
                str(out),
                *MAPPING,
                "--group",
                "ticket",
                "--threshold",
                "0",
            ]
        )
        == 0
    )
    table = read(out)
    assert table.groupby("ticket")["best"].sum().tolist() == [1, 1]
    best = table[(table["ticket"] == "t1")].sort_values("score").iloc[-1]
    assert best["best"]
    listed = [{"q": ROWS[0]["question"], "answers": [row["reply"] for row in ROWS[:2]]}]
    data = write(tmp_path / "listed.jsonl", listed)
    assert (
        main(["score", "--reward-model", str(model), "--data", str(data), "--out", str(out), "--prompt", "q", "--candidates", "answers"])
        == 0
    )
    row = read(out).iloc[0]
    assert row["best_response"] == best["reply"]
    assert row["score"] == pytest.approx(best["score"], abs=1e-5)
    assert max(row["candidate_scores"]) == row["score"]


def test_what_is_too_long_is_flagged_and_not_kept(model: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", [{**ROWS[0], "reply": "word " * 400}])
    out = tmp_path / "out.jsonl"
    assert main(["score", "--reward-model", str(model), "--data", str(data), "--out", str(out), *MAPPING, "--threshold", "0"]) == 0
    row = json.loads(out.read_text())
    assert row["truncated"]
    assert not row["kept"]


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        (ROWS, ["--prompt", "questoin", "--response", "reply"], ["no column 'questoin'", "did you mean 'question'?"]),
        ([{**ROWS[0], "reply": 3}], MAPPING, ["row 1:", "'reply' must be text"]),
        ([{**ROWS[0], "reply": None}, {**ROWS[0], "question": ""}], MAPPING, ["row 1:", "row 2:"]),
        ([], MAPPING, ["there are no records"]),
        (ROWS, [*MAPPING, "--threshold", "2"], ["threshold must lie in [0, 1]"]),
        (ROWS, [*MAPPING, "--head", "factul"], ["no head 'factul'"]),
        (ROWS, [*MAPPING, "--group", "ticket", "--candidates", "reply"], ["not in both"]),
    ],
)
def test_wrong_input_is_named(model: Path, tmp_path: Path, capsys, rows, more, said) -> None:
    data, out = write(tmp_path / "data.jsonl", rows), tmp_path / "out.jsonl"
    assert main(["score", "--reward-model", str(model), "--data", str(data), "--out", str(out), *more]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in said), message
    assert not out.exists()


def test_a_folder_that_is_no_reward_model(tiny_qwen_dir: Path, tmp_path: Path, capsys) -> None:
    data = write(tmp_path / "data.jsonl", ROWS)
    assert main(["score", "--reward-model", str(tiny_qwen_dir), "--data", str(data), "--out", str(tmp_path / "o.jsonl"), *MAPPING]) == 2
    assert "lacks its head" in capsys.readouterr().err


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    from bbflow.graph import ClinicalPack
    from bbflow.synthesis import generate
    from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice

    tasks = {task.name: task for task in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice())}
    path = tmp_path_factory.mktemp("examples") / "test.parquet"
    write_examples(path, generate(ClinicalPack().load(), tasks, {"test": 60}, {}, 1).examples["test"])
    return path


def test_rewards_probe_passes_the_shipped_capabilities_and_refuses_one_that_can_be_gamed(examples: Path, tmp_path: Path, capsys) -> None:
    assert main(["rewards", "probe", "--data", str(examples)]) == 0
    (tmp_path / "naive_rewards.py").write_text(
        "from bbflow.rewards import Reward\n\n\nclass Mentions(Reward):\n    def __call__(self, examples, completions):\n"
        "        return [float(e.answer in text) for e, text in zip(examples, completions)]\n"
    )
    naive = "{class_path: naive_rewards.Mentions}"
    (tmp_path / "mine.yaml").write_text(f"domain:\n  metric: {naive}\n  rewards: {{said: {naive}}}\n")
    assert main(["rewards", "probe", "--data", str(examples), "--capabilities", str(tmp_path / "mine.yaml")]) == 1
    assert "prompt_echo" in capsys.readouterr().err


def test_rewards_nulls_prints_a_table(examples: Path, capsys) -> None:
    assert main(["rewards", "nulls", "--data", str(examples)]) == 0
    table = capsys.readouterr().out
    assert "| capability | items | random text |" in table
    assert "| safety |" in table
