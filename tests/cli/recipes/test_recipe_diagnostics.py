"""Wrong recipes: one line per mistake with file, line and suggestion, exit code 2, and no model loaded."""

import re
import sys

import pytest


@pytest.fixture
def mistakes(workplace):
    """Runs `fit` on the recipe and returns what it says, after checking how it ends."""

    def run(*overrides):
        code, _, said = workplace.fit(*overrides)
        assert code == 2
        assert said
        assert not workplace.loaded()
        assert not (workplace.folder / "runs").exists()
        return [line.removeprefix("error: ") for line in said]

    return run


def test_unknown_key(workplace, mistakes):
    workplace.edit("max_steps", "max_stps")
    assert mistakes() == ["recipes/toy.yaml:3:21: trainer.max_stps: unknown key (did you mean 'max_steps'?)"]


def test_a_module_without_a_mistake_is_not_blamed_for_one_elsewhere(workplace, mistakes):
    workplace.edit("${vars.rate}", "0.5")  # with a reference in it, a module is never judged as a whole
    workplace.edit("${data.init_args.batch_size}", "4")
    workplace.edit("max_steps", "max_stps")
    assert mistakes() == ["recipes/toy.yaml:3:21: trainer.max_stps: unknown key (did you mean 'max_steps'?)"]


def test_wrong_type(workplace, mistakes):
    workplace.edit("batch_size: 4", "batch_size: many")
    assert mistakes() == ["recipes/toy.yaml:13:55: data.init_args.batch_size: must be int, not 'many'"]


def test_unknown_class(workplace, mistakes):
    workplace.edit("toy_parts.ToyData", "ToyDat")
    assert mistakes() == ["recipes/toy.yaml:12:15: data.class_path: unknown class 'ToyDat' (did you mean 'ToyData'?)"]
    workplace.edit("ToyDat", "toy_parts.ToyDta")
    (said,) = mistakes()
    assert "no class 'toy_parts.ToyDta'" in said
    assert "did you mean 'toy_parts.ToyData'?" in said


def test_class_of_another_kind(workplace, mistakes):
    workplace.edit("toy_parts.ToyData", "toy_parts.Constant")
    assert "'toy_parts.Constant' is no LightningDataModule" in mistakes()[0]


def test_missing_keys(workplace, mistakes):
    workplace.edit("    capabilities: parts/capabilities.yaml\n", "")
    assert mistakes() == ["recipes/toy.yaml:7:5: model.init_args: the key 'capabilities' is missing"]


def test_missing_model(workplace, mistakes):
    workplace.edit("model:", "modl:")
    assert mistakes() == ["recipes/toy.yaml:5:3: modl: unknown key (did you mean 'model'?)"]


def test_missing_recipe(workplace, mistakes):
    assert workplace.run("fit", "--config", "nope.yaml")[::2] == (2, ["error: nope.yaml: no such file"])
    assert workplace.run("fit")[::2] == (2, ["error: command line: the key 'model' is missing"])


@pytest.mark.parametrize("file", ["recipes/toy.yaml", "recipes/parts/capabilities.yaml"])
def test_broken_yaml_names_line_and_column(workplace, mistakes, file):
    path = workplace.folder / file
    path.write_text(path.read_text() + "tail: [1, 2\n")
    (said,) = mistakes()
    line = len(path.read_text().splitlines()) + 1
    assert f"{file}:{line}:1: not valid YAML" in said


def test_repeated_key(workplace, mistakes):
    workplace.edit("seed_everything: 7", "seed_everything: 7\nseed_everything: 8")
    assert mistakes() == ["recipes/toy.yaml:3:1: key 'seed_everything' cannot be used twice or is no plain key"]


def test_missing_part_and_missing_contract(workplace, mistakes):
    workplace.edit("parts/capabilities.yaml", "parts/nothing.yaml")
    assert mistakes() == ["recipes/toy.yaml:10:19: model.init_args.capabilities: recipes/parts/nothing.yaml: no such file"]
    workplace.edit("parts/nothing.yaml", "parts/capabilities.yaml")
    workplace.edit("../contract.yaml", "../contrct.yaml")
    assert mistakes() == [f"{workplace.folder}/contrct.yaml: no such contract"]


def test_reference_to_nothing(workplace, mistakes):
    workplace.edit("${vars.rate}", "${vars.rte}")
    assert mistakes() == ["recipes/toy.yaml:8:9: model.init_args.lr: ${vars.rte} refers to nothing (did you mean 'rate'?)"]


def test_numbers_of_the_trainers_that_are_too_small(workplace, mistakes):
    workplace.edit("max_steps", "accumulate_grad_batches: 0, max_steps")
    assert mistakes("--trainer.val_check_interval=0", "--trainer.gradient_clip_val=-1.0") == [
        "recipes/toy.yaml:3:36: trainer.accumulate_grad_batches: must be more than 0, not 0",
        "--trainer.val_check_interval: must be more than 0, not 0",
        "--trainer.gradient_clip_val: must be 0 or more, not -1.0",
    ]


def test_overrides(mistakes):
    said = mistakes(
        "--trainer.max_epoc=3",
        "--trainer.max_steps=abc",
        "--model.init_args.capabilities.safety.weigth=2",
        "--model.init_args.capabilities.safety.rewards.fixed.init_args.valeu=2",
    )
    assert said == [
        "--trainer.max_steps: must be int, not 'abc'",
        "--trainer.max_epoc: unknown key (did you mean 'max_epochs'?)",
        "--model.init_args.capabilities.safety.rewards.fixed.init_args.valeu: unknown key (did you mean 'value'?)",
        "--model.init_args.capabilities.safety.weigth: unknown key (did you mean 'weight'?)",
    ]


def test_what_does_not_fit_together(mistakes):
    assert mistakes("--data.init_args.feeds=[domain]") == ["model.init_args.capabilities.safety: no task feeds 'safety'"]


def test_several_mistakes_are_told_together_those_between_model_and_data_included(workplace, mistakes):
    workplace.edit("max_steps", "max_stps")
    workplace.edit("path: ../elsewhere", "pth: x")
    workplace.edit("../contract.yaml", "../contrct.yaml")
    workplace.edit("weight: 1.5", "weight: heavy", "recipes/parts/capabilities.yaml")
    assert mistakes("--data.init_args.feeds=[domain]") == [
        "recipes/toy.yaml:3:21: trainer.max_stps: unknown key (did you mean 'max_steps'?)",
        "recipes/toy.yaml:7:19: model.init_args.policy.pth: unknown key (did you mean 'path'?)",
        "recipes/parts/capabilities.yaml:7:11: model.init_args.capabilities.domain.weight: must be float, not 'heavy'",
        f"{workplace.folder}/contrct.yaml: no such contract",
        "model.init_args.capabilities.safety: no task feeds 'safety'",
    ]


def test_a_trainer_that_cannot_be_made(mistakes):
    (said,) = mistakes("--trainer.strategy=teleport")
    assert said.startswith("trainer: ")
    assert "teleport" in said


def test_an_abbreviated_override_is_refused(mistakes):
    assert mistakes("--trainer.max_epoc=3") == ["--trainer.max_epoc: unknown key (did you mean 'max_epochs'?)"]


def test_keys_left_empty_are_told_together_and_those_that_may_be_null_pass(workplace, mistakes):
    workplace.edit("batch_size: 4}", "batch_size: }")
    workplace.edit("lr: ${vars.rate}", "lr: null")
    workplace.edit("steps: ${data.init_args.batch_size}", "steps: 1")
    workplace.edit("weight: 1.5", "weight:", "recipes/parts/capabilities.yaml")
    workplace.edit("notes: notes.txt", "notes: null")
    hint = "(leave the key out for its default)"
    expected = [
        f"recipes/toy.yaml:8:9: model.init_args.lr: must be float, and is empty {hint}",
        f"recipes/parts/capabilities.yaml:7:10: model.init_args.capabilities.domain.weight: must be float, and is empty {hint}",
        f"recipes/toy.yaml:13:55: data.init_args.batch_size: must be int, and is empty {hint}",
    ]
    assert mistakes() == expected
    workplace.edit("max_steps", "max_stps")  # also where the parser itself stops
    assert mistakes() == ["recipes/toy.yaml:3:21: trainer.max_stps: unknown key (did you mean 'max_steps'?)", *expected]


def test_an_override_with_null(workplace, mistakes):
    assert mistakes("--data.init_args.batch_size=null") == [
        "--data.init_args.batch_size: must be int, and is empty (leave the key out for its default)"
    ]
    assert workplace.fit("--model.init_args.policy.notes=null", "--trainer.max_epochs=null", "--trainer.fast_dev_run=true")[0] == 0


def test_a_part_left_empty(workplace, mistakes):
    workplace.edit("policy: {path: ../elsewhere, notes: notes.txt}", "policy:")
    (said,) = mistakes()
    assert said.startswith("recipes/toy.yaml:7:12: model.init_args.policy: must be a mapping, and is empty")
    workplace.edit("    policy:\n", "    policy: {}\n")
    workplace.edit("trainer: {max_steps: 2,", "trainer:\nx: {max_steps: 2,")
    assert "recipes/toy.yaml:3:9: trainer: must be a mapping, and is empty (leave the key out for its default)" in mistakes()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import nosuchlibrary\n",
            r"'mine' cannot be imported: ModuleNotFoundError: No module named 'nosuchlibrary' \(at \S*/mine\.py:1\)$",
        ),
        ("x = 1\nclass Mine(:\n", r"'mine' cannot be imported: SyntaxError: invalid syntax \(at \S*/mine\.py:2\)$"),
        ("x = 1\ny = 1 / 0\n", r"'mine' cannot be imported: ZeroDivisionError: division by zero \(at \S*/mine\.py:2\)$"),
        (
            "from toy_parts import Constant\nclass Mien(Constant): ...\n",
            r"no class 'mine\.Mine': there is no 'Mine' in mine \(did you mean 'mine\.Mien'\?\)$",
        ),
        ("from bbflow.rewards.base import Reward\nclass Mine(Reward): ...\n", r"'mine\.Mine' is not complete: it lacks __call__$"),
        ("class Mine: ...\n", r"'mine\.Mine' is no Reward "),
    ],
)
def test_a_file_of_ones_own_that_is_broken(workplace, mistakes, monkeypatch, source, said):
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (workplace.folder / "recipes" / "mine.py").write_text(source)
    workplace.edit(
        "{class_path: toy_parts.Constant, init_args: {value: 0.25}}", "{class_path: mine.Mine}", "recipes/parts/capabilities.yaml"
    )
    (line,) = mistakes()
    assert line.startswith("recipes/parts/capabilities.yaml:3:33: model.init_args.capabilities.safety.rewards.fixed.class_path: ")
    assert re.search(said, line)


def test_a_recipe_without_its_option(workplace):
    code, _, said = workplace.run("fit", "recipes/toy.yaml", "--trainer.max_steps", "3", "more")
    assert (code, said) == (
        2,
        [
            "error: command line: 'recipes/toy.yaml' belongs to no option (did you mean '--config recipes/toy.yaml'?)",
            "error: command line: 'more' belongs to no option (options begin with --)",
        ],
    )


def test_overrides_that_miss_their_target(mistakes):
    assert mistakes("--model.init_args.capabilities.safty.weight=2") == [
        "--model.init_args.capabilities.safty.weight: there is no 'safty' to change, and too little is given to add one (did you mean 'safety'?)"
    ]
    assert mistakes("--trainer", "missing.yaml") == ["--trainer: there is no file 'missing.yaml'"]
    assert mistakes("--vars.rat=3") == ["--vars.rat: nothing refers to ${vars.rat} (did you mean 'rate'?)"]
    assert mistakes("--model.init_args.policy=tiny") == ["--model.init_args.policy: must be a mapping, not 'tiny'"]


def test_a_misspelt_subcommand(workplace):
    assert workplace.run("contracts", "valdate", "--contract", "x")[::2] == (
        2,
        ["error: 'contracts valdate' is no command (did you mean 'contracts validate'?)"],
    )
