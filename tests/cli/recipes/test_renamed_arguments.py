"""Recipes with the former arguments of the modules parse to the same settings as recipes with the present ones."""

import shutil
from pathlib import Path

import pytest

from bbflow.cli.recipes.renamed import KEYS
from bbflow.cli.runs.resume import changed_settings
from bbflow.cli.training import load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = {"GRPO": "grpo.yaml", "SFT": "sft.yaml", "RewardModel": "reward.yaml"}
FORMER = {
    "GRPO": """
    kl_coefficient: 0.05
    kl: {estimator: k2}
    updates: 2
    old_logprobs: sampled
    resample: 1
    measure_interference: false
    measure_every: 5
    validation_examples: 100
    evaluation_batch_size: 16
""",
    "SFT": """
    measure_interference: false
    validation_examples: null
    evaluation_batch_size: 16
""",
    "RewardModel": """
    evaluation_batch_size: 16
""",
}
PRESENT = {
    "GRPO": """
    kl: {coefficient: 0.05, estimator: k2}
    experience: {updates: 2, old_logprobs: sampled, resample: 1}
    interference: {with_weighting: false, every: 5}
    evaluation: {examples: 100, batch_size: 16}
""",
    "SFT": """
    interference: {with_weighting: false}
    evaluation: {examples: null, batch_size: 16}
""",
    "RewardModel": """
    evaluation: {batch_size: 16}
""",
}


def parsed(folder, kind, lines, options=()):
    """The model of a bundled recipe with further arguments."""
    for name in ("recipes", "data_contracts"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    recipe = folder / "recipes" / RECIPES[kind]
    text = recipe.read_text()
    assert text.count("  init_args:\n") >= 1
    recipe.write_text(text.replace("  init_args:\n", "  init_args:" + lines, 1))
    return load_recipe(recipe, list(options)).config.model


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_of_former_arguments_is_the_recipe_of_present_ones(tmp_path, kind):
    former, present = (parsed(tmp_path / name, kind, lines[kind]) for name, lines in (("former", FORMER), ("present", PRESENT)))
    for model in (former, present):
        model.init_args.pop("capabilities", None)  # they name files of their folders
    assert former.as_dict() == present.as_dict()
    assert former.init_args.evaluation.batch_size == 16
    assert set(KEYS[kind]) == {line.split(":")[0].strip() for line in FORMER[kind].splitlines() if line} - {"kl"}


def test_a_group_that_is_given_in_part_keeps_the_defaults_of_its_module(tmp_path):
    assert parsed(tmp_path, "RewardModel", PRESENT["RewardModel"]).init_args.evaluation.as_dict() == {"examples": None, "batch_size": 16}


def test_former_arguments_of_the_command_line(tmp_path):
    options = ["--model.init_args.measure_every=5", "--model.init_args.kl_coefficient=0.1", "--model.init_args.kl.place=reward"]
    settings = parsed(tmp_path, "GRPO", "\n", options).init_args
    assert settings.interference.as_dict() == {"with_weighting": True, "every": 5}
    assert settings.kl.as_dict() == {"coefficient": 0.1, "estimator": "k3", "place": "reward"}


def test_a_run_of_former_arguments_is_continued_with_another_batch_size_at_evaluation(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "model: {class_path: bbflow.modules.GRPO, init_args: {updates: 2, validation_examples: 9, evaluation_batch_size: 4}}\n"
    )
    present = {"experience": {"updates": 2}, "evaluation": {"examples": 9, "batch_size": 128}}
    assert changed_settings(tmp_path, {"model": {"class_path": "bbflow.modules.GRPO", "init_args": present}}) == []
    present["evaluation"]["examples"] = 10
    assert changed_settings(tmp_path, {"model": {"class_path": "bbflow.modules.GRPO", "init_args": present}}) == [
        "model.init_args.evaluation.examples was 9, is 10"
    ]
