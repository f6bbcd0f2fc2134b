"""What a recipe becomes: overrides, interpolation, paths, the run folder, resuming."""

import csv
import io
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from bbflow.cli.training import load_recipe
from bbflow.evaluation.preregistration import Preregistration


def test_a_run_writes_its_folder_and_classes_beside_the_recipe_are_found(workplace):
    code, _, said = workplace.fit()
    assert (code, said) == (0, [])
    folder = workplace.folder / "runs" / "toy" / "version_0"
    names = {path.name.split(".")[0] for path in folder.iterdir()}
    assert {"config", "metrics", "events", "checkpoints"} <= names
    assert list((folder / "checkpoints").glob("*.ckpt"))
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert len([row for row in rows if row["train/loss"]]) == 2
    assert {path.name for path in workplace.folder.iterdir()} == {"recipes", "contract.yaml", "runs"}


def test_each_run_has_its_own_folder_and_its_saved_recipe_runs_again_from_anywhere(workplace, monkeypatch):
    assert workplace.fit("--model.init_args.lr=0.125")[0] == 0
    saved = workplace.folder / "runs" / "toy" / "version_0" / "config.yaml"
    (workplace.folder / "other").mkdir()
    monkeypatch.chdir(workplace.folder / "other")
    assert workplace.run("fit", "--config", str(saved), "--trainer.default_root_dir", "..")[0] == 0
    again = workplace.folder / "runs" / "toy" / "version_1" / "config.yaml"
    first, second = (yaml.safe_load(path.read_text()) for path in (saved, again))
    assert first["model"] == second["model"]
    assert first["data"] == second["data"]
    assert first["model"]["init_args"]["lr"] == 0.125


def test_overrides_reach_one_capability_and_interpolation_follows_them(workplace, monkeypatch):
    monkeypatch.delattr("bbflow.cli.training.parse_or_explain")  # the parser itself has to manage this
    overrides = ["--model.init_args.capabilities.safety.weight=2", "--data.init_args.batch_size=8", "--vars.rate=0.25"]
    assert workplace.fit(*overrides)[0] == 0
    module = workplace.module()
    assert {name: c.weight for name, c in module.toy_capabilities.items()} == {"safety": 2.0, "domain": 1.5}
    assert module.toy_capabilities["safety"].rewards["fixed"].value == 0.25
    assert (module.lr, module.steps) == (0.25, 8)


def test_an_override_deep_inside_a_capability(workplace):
    assert workplace.fit("--model.init_args.capabilities.safety.rewards.fixed.init_args.value=0.75", "--vars.rate=0.25")[0] == 0
    module = workplace.module()
    assert module.toy_capabilities["safety"].rewards["fixed"].value == 0.75
    assert module.toy_capabilities["domain"].weight == 1.5
    assert module.lr == 0.25
    assert module.policy.notes == workplace.folder / "recipes" / "notes.txt"
    assert workplace.folder.joinpath("runs/toy/version_0/config.yaml").exists()


def test_a_capability_can_be_added_and_a_part_can_replace_them_all(workplace):
    part = "{domain: {metric: toy_parts.Constant, rewards: {a: toy_parts.Constant}}}"
    (workplace.folder / "mine.yaml").write_text(part)
    added = "--model.init_args.capabilities.safety2={metric: toy_parts.Constant, rewards: {a: toy_parts.Constant}}"
    assert workplace.fit(added, "--data.init_args.feeds=[safety, domain, safety2]")[0] == 0
    assert list(workplace.module().toy_capabilities) == ["safety", "domain", "safety2"]
    assert workplace.fit("--model.init_args.capabilities=mine.yaml")[0] == 0
    assert list(workplace.module().toy_capabilities) == ["domain"]


def test_a_second_recipe_goes_over_the_first(workplace):
    (workplace.folder / "more.yaml").write_text("trainer: {max_steps: 1}\nmodel: {init_args: {lr: 0.0625}}\n")
    assert workplace.fit("--config", "more.yaml")[0] == 0
    assert workplace.module().lr == 0.0625
    assert workplace.module().trainer.max_steps == 1
    assert len(workplace.module().toy_capabilities) == 2


def test_a_trainer_part(workplace):
    (workplace.folder / "recipes" / "parts" / "short.yaml").write_text("max_steps: 1\naccelerator: cpu\n")
    assert workplace.fit("--trainer", "recipes/parts/short.yaml")[0] == 0
    assert workplace.module().trainer.max_steps == 1


def test_paths_are_relative_to_their_file_and_those_of_the_command_line_to_the_working_folder(workplace):
    (workplace.folder / "here.yaml").write_text("{}")
    assert workplace.fit("--data.init_args.contract=here.yaml")[0] == 0
    module = workplace.module()
    assert module.policy.notes == workplace.folder / "recipes" / "notes.txt"
    assert module.policy.path == str(workplace.folder / "elsewhere")
    assert module.trainer.datamodule.contract == workplace.folder / "here.yaml"


def test_a_root_that_cannot_be_written_is_named_before_data_are_made(workplace):
    (workplace.folder / "taken").write_text("")
    code, _, said = workplace.fit("--trainer.default_root_dir=taken")
    assert code == 2
    assert any("trainer.default_root_dir: " in line and "is a file, and a folder is needed" in line for line in said)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "# nothing yet\n"])
def test_a_recipe_that_is_no_mapping_is_named(workplace, text):
    (workplace.folder / "recipes" / "toy.yaml").write_text(text)
    code, _, said = workplace.fit()
    assert code == 2
    assert "toy.yaml: is empty, or no mapping" in said[0]


def test_loggers_of_the_recipe_are_kept_and_without_a_logger_nothing_is_written(workplace):
    assert workplace.fit("--trainer.logger=false", "--trainer.enable_checkpointing=false")[0] == 0
    assert {path.name for path in workplace.folder.iterdir()} == {"recipes", "contract.yaml"}
    logger = "{class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: mine}}"
    assert workplace.fit(f"--trainer.logger={logger}")[0] == 0
    assert list((workplace.folder / "mine").rglob("metrics.csv"))
    assert not (workplace.folder / "runs").exists()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_last_step_is_always_in_the_checkpoint(workplace, steps):
    validation = ["--trainer.val_check_interval=2", "--trainer.check_val_every_n_epoch=null"]
    assert workplace.fit(f"--trainer.max_steps={steps}", "--data.init_args.batch_size=1", *validation)[0] == 0
    (checkpoint,) = (workplace.folder / "runs").rglob("*.ckpt")
    assert checkpoint.relative_to(workplace.folder).as_posix() == "runs/toy/version_0/checkpoints/last.ckpt"
    assert torch.load(checkpoint, weights_only=True)["global_step"] == steps


def test_checkpoints_of_the_recipe_are_kept_beside_the_one_to_go_on_from(workplace):
    callback = "{class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {every_n_train_steps: 1, save_top_k: -1}}"
    assert workplace.fit(f"--trainer.callbacks+={callback}")[0] == 0
    assert {path.name for path in (workplace.folder / "runs").rglob("*.ckpt")} == {
        "epoch=0-step=1.ckpt",
        "epoch=0-step=2.ckpt",
        "last.ckpt",
    }


def test_resuming_never_changes_what_recipe_and_command_line_say(workplace):
    assert workplace.fit()[0] == 0
    (checkpoint,) = (workplace.folder / "runs").rglob("*.ckpt")
    assert workplace.fit("--ckpt_path", str(checkpoint), "--trainer.max_steps=3", "--model.init_args.lr=0.03125")[0] == 0
    assert workplace.module().lr == 0.03125
    assert workplace.module().trainer.global_step == 3


def test_last_goes_on_with_an_unfinished_run_and_leaves_finished_ones_alone(workplace):
    runs = workplace.folder / "runs" / "toy"
    assert workplace.fit("--ckpt_path", "last")[0] == 0
    assert workplace.fit("--ckpt_path", "last")[0] == 0
    assert {path.name for path in runs.iterdir()} == {"version_0", "version_1"}
    (runs / "version_1" / "finished").unlink()
    assert workplace.fit("--ckpt_path", "last", "--trainer.max_steps=3")[0] == 0
    assert {path.name for path in runs.iterdir()} == {"version_0", "version_1"}
    assert workplace.module().trainer.global_step == 3
    rows = list(csv.DictReader((runs / "version_1" / "metrics.csv").open()))
    assert len([row for row in rows if row["train/loss"]]) == 3


def flipped(content):
    """One bit of a weight."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        weight = next(name for name in archive.namelist() if name.endswith("data/0"))
        place = content.index(archive.read(weight))
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda _: b"no checkpoint", lambda old: old[:-100], flipped], ids=["0", "text", "cut", "bit"]
)
def test_an_unfinished_run_whose_checkpoint_is_broken_is_named(workplace, damage):
    assert workplace.fit()[0] == 0
    folder = workplace.folder / "runs" / "toy" / "version_0"
    (folder / "finished").unlink()
    last = folder / "checkpoints" / "last.ckpt"
    last.write_bytes(damage(last.read_bytes()))
    loaded = workplace.loaded()
    code, _, said = workplace.fit("--ckpt_path", "last")
    assert code == 2
    assert len(said) == 1
    assert "cannot be read as a checkpoint" in said[0]
    assert "move the run folder away" in said[0]
    assert workplace.loaded() == loaded


def test_resuming_another_class_is_refused_before_a_model_is_loaded(workplace):
    assert workplace.fit()[0] == 0
    (checkpoint,) = (workplace.folder / "runs").rglob("*.ckpt")
    loaded = workplace.loaded()
    assert loaded == 1
    code, _, said = workplace.fit("--ckpt_path", str(checkpoint), "--model=toy_parts.OtherModule")
    assert code == 2
    assert len(said) == 1
    assert "the checkpoint holds a toy_parts.ToyModule, the recipe asks for a toy_parts.OtherModule" in said[0]
    assert "policy.path" in said[0]
    assert workplace.loaded() == loaded


@pytest.mark.parametrize(("content", "what"), [(None, "no such checkpoint"), (b"\x80\x04junk", "cannot be read as a checkpoint")])
def test_a_checkpoint_that_is_none(workplace, content, what):
    if content:
        (workplace.folder / "x.ckpt").write_bytes(content)
    code, _, said = workplace.fit("--ckpt_path", "x.ckpt")
    assert code == 2
    assert what in said[0]


@pytest.mark.parametrize(("word", "told"), [("hpc", "no checkpoint of a requeued job"), ("registry:x", "need the package litmodels")])
def test_words_of_lightnings_for_checkpoints_that_are_not_there_are_refused(workplace, word, told):
    code, _, said = workplace.fit("--ckpt_path", word)
    assert code == 2
    assert told in said[0]


def versions(workplace):
    return {path.name for path in (workplace.folder / "runs" / "toy").glob("*")}


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_last_and_best_name_the_newest_run_where_something_is_measured(workplace, command):
    def measure(*options):
        return workplace.run(command, "--config", "recipes/toy.yaml", "--model=toy_parts.Measured", *options)

    for kind in ("last", "best"):
        code, _, said = measure("--ckpt_path", kind)
        assert (code, len(said)) == (2, 1)
        assert "no run of this recipe wrote a checkpoint" in said[0]
    assert not (workplace.folder / "runs").exists()
    for steps in (1, 2):
        assert workplace.fit("--model=toy_parts.Measured", f"--trainer.max_steps={steps}")[0] == 0
    assert measure("--ckpt_path", "last")[0] == 0
    last = workplace.folder / "runs" / "toy" / "version_1" / "checkpoints" / "last.ckpt"
    assert Path(workplace.module().trainer.ckpt_path).resolve() == last
    weights = torch.load(last, weights_only=True)["state_dict"]["layer.weight"]
    assert torch.equal(workplace.module().layer.weight, weights)
    there = versions(workplace)
    code, _, said = measure("--ckpt_path", "best")
    assert code == 2
    assert "the newest run has no best.ckpt" in said[0]
    assert "last.ckpt" in said[0]
    assert versions(workplace) == there
    last.rename(last.with_name("best.ckpt"))
    assert measure("--ckpt_path", "best")[0] == 0


def test_best_resumes_nothing_and_a_run_folder_is_no_checkpoint(workplace):
    assert workplace.fit()[0] == 0
    run = workplace.folder / "runs" / "toy" / "version_0"
    last = run / "checkpoints" / "last.ckpt"
    for given, what in (("best", "last.ckpt"), (run, f"did you mean '{last}'?"), (run / "checkpoints", "RUN/checkpoints/last.ckpt")):
        code, _, said = workplace.fit("--ckpt_path", str(given))
        assert (code, len(said)) == (2, 1)
        assert what in said[0]
    assert versions(workplace) == {"version_0"}


@pytest.mark.parametrize("command", ["fit", "test"])
def test_other_margins_are_refused_before_there_is_a_run_folder(workplace, command):
    assert workplace.fit("--model=toy_parts.Measured")[0] == 0
    (checkpoint,) = (workplace.folder / "runs").rglob("*.ckpt")
    kept = torch.load(checkpoint, weights_only=True)
    kept["callbacks"]["Report"] = {"margins": Preregistration({"safety": 0.03, "domain": 0.03}).to_json()}
    torch.save(kept, checkpoint)
    argv = [command, "--config", "recipes/toy.yaml", "--model=toy_parts.Measured", "--ckpt_path", str(checkpoint)]
    code, _, said = workplace.run(*argv, "--model.init_args.capabilities.safety.margin=0.9")
    assert (code, len(said)) == (2, 1)
    assert "the margin of 'safety' is 0.9, but 0.03 was fixed before the run" in said[0]
    assert versions(workplace) == {"version_0"}
    assert workplace.run(*argv)[0] == 0


@pytest.mark.parametrize(
    ("fails", "code", "said"),
    [
        ("input", 2, ["error: batch 0: the batch is wrong", "error: batch 1: and so is the next"]),
        ("refused", 1, ["refused: the contract refuses 3 rows"]),
        ("settings", 2, ["error: trainer: these settings exclude each other"]),
        ("interrupt", 130, []),
    ],
)
def test_what_happens_in_a_run_decides_how_the_command_ends(workplace, fails, code, said):
    assert workplace.fit("--model.init_args.fails", fails)[::2] == (code, said)


def test_a_bug_keeps_its_traceback(workplace):
    with pytest.raises(ZeroDivisionError):
        workplace.fit("--model.init_args.fails=bug")


def test_a_recipe_can_be_built_without_running_it(workplace):
    recipe = load_recipe(Path("recipes/toy.yaml"), ["--data.init_args.batch_size=16"])
    assert recipe.datamodule.batch_size == 16
    assert recipe.model.steps == 16
    assert recipe.config["seed_everything"] == 7
    assert not (workplace.folder / "runs").exists()


def test_the_processes_of_one_run_share_a_folder(workplace, monkeypatch):
    from bbflow.cli.recipes.recipe import run_loggers

    first = run_loggers(Path("runs/toy"))
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert run_loggers(Path("runs/toy"))[0].log_dir == first[0].log_dir
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    assert run_loggers(Path("runs/toy"))[0].log_dir != first[0].log_dir
