"""The bundled policy says where it comes from: its lessons are notes that packaging writes, and the card repeats them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.maintenance.build_tiny import LESSONS, package

ROOT = Path(__file__).parents[3]
TINY = ROOT / "bbflow" / "policies" / "tiny"


def test_the_card_names_every_lesson():
    card = (TINY / "README.md").read_text()
    lessons = json.loads((TINY / LESSONS).read_text())
    assert [lesson["recipe"] for lesson in lessons] == ["recipes/tiny.yaml", "recipes/tiny_requests.yaml"]
    for lesson in lessons:
        assert (ROOT / lesson["recipe"]).exists()
        row = next(line for line in card.splitlines() if line.startswith(f"| `{lesson['recipe']}`"))
        assert lesson["data_sha256"] in row
        assert f"| {lesson['steps']} |" in row
        assert lesson["graph_sha256"] in card


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "tiny_requests" / "version_0"
    (folder / "checkpoints").mkdir(parents=True)
    state = {"model.embed.weight": torch.arange(6.0).view(3, 2), "model.lm_head.weight": torch.zeros(3, 2)}
    torch.save({"state_dict": state}, folder / "checkpoints" / "last.ckpt")
    (folder / "report").mkdir()
    report = {
        "provenance": {"seed": 2, "step": 300, "graph": "core 2", "graph_sha256": "ab"},
        "data": {"receipt": {"data": {"train.parquet": "cd"}}},
        "cost": {"training_seconds": 290.0},
    }
    (folder / "report" / "report.json").write_text(json.dumps(report))
    return folder


def test_packaging_stores_weights_and_adds_a_lesson(run, tmp_path):
    out = tmp_path / "tiny"
    out.mkdir()
    (out / LESSONS).write_text('[{"recipe": "recipes/tiny.yaml"}]')
    package(str(run), str(out))
    weights = load_file(out / "model.safetensors")
    assert {name: value.dtype for name, value in weights.items()} == {"embed.weight": torch.bfloat16}
    first, second = json.loads((out / LESSONS).read_text())
    assert first == {"recipe": "recipes/tiny.yaml"}
    assert second == {
        "recipe": "recipes/tiny_requests.yaml", "seed": 2, "steps": 300, "data_sha256": "cd", "graph": "core 2", "graph_sha256": "ab", "minutes": 5,
    }  # fmt: skip
