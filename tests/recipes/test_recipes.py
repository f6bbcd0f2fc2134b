"""Every recipe that ships runs for a few steps, through the same door as a user's."""

import csv
import json
from pathlib import Path

import pytest

from bbflow.cli.main import main

ROOT = Path(__file__).parents[2]
RECIPES = sorted(
    p.relative_to(ROOT / "recipes").as_posix()
    for p in (ROOT / "recipes").rglob("*.yaml")
    if not {"parts", "reward.yaml", "hybrid.yaml"} & set(p.parts)
)
SMALL = [
    "--data.init_args.train_size=40",
    "--data.init_args.validation_size=8",
    "--data.init_args.test_size=16",
    "--data.init_args.batch_size=4",
]
STEPS = ["--trainer.max_steps=2", "--trainer.accelerator=cpu", "--trainer.log_every_n_steps=1"]


@pytest.fixture
def hub_like(tmp_path_factory, tiny_tokenizer) -> Path:
    """A folder with the architecture of Qwen2.5 and random weights: what a Hub id would give, only small."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("qwen2.5")
    config = Qwen2Config(
        vocab_size=len(tiny_tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        tie_word_embeddings=True, eos_token_id=tiny_tokenizer.eos_token_id, pad_token_id=tiny_tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def test_the_recipes_that_the_documentation_names_are_there() -> None:
    assert {"sft.yaml", "grpo.yaml", "tiny.yaml", "qwen2.5-0.5b/sft.yaml", "qwen2.5-0.5b/grpo.yaml"} <= set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_runs(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_like: Path) -> None:
    monkeypatch.chdir(tmp_path)
    more = [f"--model.init_args.policy.path={hub_like}"] if "qwen" in recipe else []
    if "grpo" in recipe:
        more += ["--model.init_args.rollout.init_args.group_size=2", "--model.init_args.rollout.init_args.max_new_tokens=8"]
    else:
        more += ["--model.init_args.max_new_tokens=8"]
    assert main(["fit", "--config", str(ROOT / "recipes" / recipe), *SMALL, *STEPS, *more]) == 0
    run = tmp_path / "runs" / Path(recipe).with_suffix("") / "version_0"
    report = json.loads((run / "report" / "report.json").read_text())
    assert set(report["capabilities"]) == {"domain", "reasoning", "instruction", "safety"}
    assert list(csv.DictReader((run / "metrics.csv").open()))
    assert (run / "config.yaml").exists()
    assert (run / "report" / "index.html").stat().st_size < 3_000_000
    assert list((run / "checkpoints").glob("*.ckpt"))
    assert any((tmp_path / ".cache" / "bbflow").iterdir())


def test_the_part_that_gives_every_capability_a_gradient_in_sft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipes = [word for name in ("sft.yaml", "parts/weighting/sft.yaml") for word in ("--config", str(ROOT / "recipes" / name))]
    assert main(["fit", *recipes, *SMALL, *STEPS, "--model.init_args.max_new_tokens=8", "--trainer.enable_progress_bar=false"]) == 0
    run = tmp_path / "runs" / "sft" / "version_0"
    (first, *_) = [row for row in csv.DictReader((run / "metrics.csv").open()) if row["interference/weight/domain"]]
    assert float(first["interference/weight/domain"]) > 0
    assert "interference" in json.loads((run / "report" / "report.json").read_text())
