"""Old names of classes and settings: they work in files, parts and options, each with a note, and mistakes show them as written."""

from importlib import import_module

import pytest
import yaml

from bbflow.callbacks import SelectBestState
from bbflow.cli.recipes import renamed
from bbflow.cli.recipes.renamed import CLASSES, KEYS, MODULES, present_name, with_present_names
from bbflow.cli.recipes.source_tree import from_arguments, present_arguments
from bbflow.cli.runs.resume import changed_settings
from bbflow.evaluation.benchmarks.metrics import MultipleChoiceAccuracy

HOMES = {
    "MinNorm": "optimization.weightings",
    "EqualCosine": "optimization.weightings",
    "ExactUPGrad": "optimization.weightings",
    "DecoupledAdvantage": "optimization.advantages",
    "VarianceWeighted": "optimization.advantages",
    "GoldWatch": "callbacks.gold_watch",
    "RankCheckpoints": "callbacks.rank_checkpoints",
    "ChosenOption": "evaluation.suites.metrics",
    "DemandsMet": "evaluation.suites.metrics",
    "RefusesTheUnsafe": "evaluation.suites.metrics",
}
"""Class to its module in the release before."""


def imported(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("old", CLASSES)
def test_every_former_class_has_a_present_one(old):
    assert imported(present_name(f"bbflow.{HOMES[old]}.{old}")).__name__ == present_name(old) == CLASSES[old]
    with pytest.raises((ImportError, AttributeError)):
        imported(f"bbflow.{HOMES[old]}.{old}")


@pytest.mark.parametrize("old", MODULES)
def test_every_former_module_has_a_present_one(old):
    assert import_module(f"bbflow.{MODULES[old]}")
    with pytest.raises(ModuleNotFoundError):
        import_module(f"bbflow.{old}")


@pytest.mark.parametrize("name", KEYS)
def test_every_former_argument_is_unknown_now_and_its_new_path_is_known(name):
    from inspect import signature

    from bbflow import modules

    known = signature(getattr(modules, name)).parameters
    for old, new in KEYS[name].items():
        assert new.partition(".")[0] in known
        assert old not in known or new.startswith(f"{old}.")


def test_a_class_of_a_user_keeps_its_name():
    assert present_name("my_file.MinNorm") == "my_file.MinNorm"
    assert present_name("some text on MinNorm.") == "some text on MinNorm."


@pytest.fixture
def keys(monkeypatch):
    """Renamed arguments of the toy module: one went into a group, one into a group of its former name, one has another name."""
    monkeypatch.setitem(renamed.KEYS, "ToyModule", {"notes": "policy.notes", "policy": "policy.path", "rate": "lr"})


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("data", "below"),
    [
        ({"class_path": "toy_parts.ToyModule", "init_args": {"policy": "tiny", "notes": "a.txt"}}, None),
        ({"class_path": "toy_parts.ToyModule", "init_args": {"policy": {"path": "tiny"}, "notes": "a.txt"}}, None),
        ({"class_path": "toy_parts.ToyModule", "init_args": {"notes": "a.txt", "policy": {"path": "tiny"}}}, "OtherModule"),
    ],
)
def test_arguments_move_to_their_group(data, below):
    present, _ = with_present_names(data, below)
    assert present == {"class_path": "toy_parts.ToyModule", "init_args": {"policy": {"path": "tiny", "notes": "a.txt"}}}


@pytest.mark.usefixtures("keys")
def test_arguments_without_a_class_are_those_of_the_settings_below():
    given = {"model": {"notes": "a.txt"}}
    assert with_present_names(given, {"model": {"class_path": "ToyModule"}})[0] == {"model": {"policy": {"notes": "a.txt"}}}
    assert with_present_names(given, {"model": "ToyModule"})[0] == {"model": {"policy": {"notes": "a.txt"}}}
    assert with_present_names(given, {"model": {"class_path": "OtherModule"}})[0] == given
    assert with_present_names(given)[0] == given


@pytest.mark.usefixtures("keys")
def test_an_argument_given_under_both_names_keeps_the_former_one_for_the_parser_to_refuse():
    given = {"class_path": "ToyModule", "init_args": {"policy": {"notes": "a"}, "notes": "b"}}
    assert with_present_names(given) == (given, [])


CALLBACKS = [
    ("--trainer.callbacks=RankCheckpoints",),
    ("--trainer.callbacks+=RankCheckpoints",),
    ("--trainer.callbacks+", "RankCheckpoints"),
    ("--trainer.callbacks={class_path: bbflow.callbacks.RankCheckpoints}",),
    ("--trainer.callbacks=[{class_path: bbflow.callbacks.rank_checkpoints.RankCheckpoints, init_args: {keep: true}}]",),
    ("--trainer.callbacks.class_path=RankCheckpoints",),
]


@pytest.mark.parametrize("options", CALLBACKS)
def test_classes_of_options(workplace, monkeypatch, options):
    given = callbacks_of_a_run(workplace, monkeypatch, *options)
    assert [type(callback) for callback in given] == [SelectBestState]


def callbacks_of_a_run(workplace, monkeypatch, *options):
    """Runs the toy recipe and returns the callbacks that it names."""
    import bbflow.cli.training as training

    found = []
    monkeypatch.setattr(training, "default_callbacks", lambda given: found.extend(given) or [])
    code, _, said = workplace.fit(*options)
    assert (code, said) == (0, [])
    return found


def test_classes_of_a_file_with_a_note_of_the_place(workplace, monkeypatch):
    workplace.edit("max_steps: 2, ", "max_steps: 2, callbacks: [{class_path: RankCheckpoints}], ")
    note = "note: recipes/toy.yaml:3:50: `RankCheckpoints` is called `SelectBestState` now; the old name works in this release"
    assert notes(workplace, monkeypatch) == [note]
    assert [type(callback) for callback in callbacks_of_a_run(workplace, monkeypatch)] == [SelectBestState]


def notes(workplace, monkeypatch, *options):
    from bbflow.cli.main import main

    workplace.capsys.readouterr()
    main(["fit", "--config", "recipes/toy.yaml", *options])
    return [line for line in workplace.capsys.readouterr().err.splitlines() if line.startswith("note: ")]


def test_classes_of_a_part_file(workplace, monkeypatch):
    part = "recipes/parts/capabilities.yaml"
    workplace.edit(
        "domain:\n  metric: {class_path: toy_parts.Constant}", "domain:\n  metric: bbflow.evaluation.suites.metrics.ChosenOption", part
    )
    assert notes(workplace, monkeypatch) == [
        f"note: {part}:5:11: `bbflow.evaluation.suites.metrics.ChosenOption` is called "
        "`bbflow.evaluation.benchmarks.metrics.MultipleChoiceAccuracy` now; the old name works in this release"
    ]
    assert type(workplace.module().toy_capabilities["domain"].metric) is MultipleChoiceAccuracy


def test_classes_of_a_variable(workplace, monkeypatch):
    workplace.edit("rate: 0.5", "rate: 0.5, best: RankCheckpoints")
    workplace.edit("max_steps: 2, ", "max_steps: 2, callbacks: '${vars.best}', ")
    assert [type(callback) for callback in callbacks_of_a_run(workplace, monkeypatch)] == [SelectBestState]


@pytest.mark.usefixtures("keys")
def test_arguments_of_a_file(workplace, monkeypatch):
    workplace.edit("policy: {path: ../elsewhere, notes: notes.txt}", "policy: ../elsewhere\n    notes: notes.txt")
    told = notes(workplace, monkeypatch)
    assert told == [
        "note: recipes/toy.yaml:7:13: `policy` is called `policy.path` now; the old name works in this release",
        "note: recipes/toy.yaml:8:12: `notes` is called `policy.notes` now; the old name works in this release",
    ]
    policy = workplace.module().policy
    assert (policy.path, policy.notes) == (str(workplace.folder / "elsewhere"), workplace.folder / "recipes" / "notes.txt")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    "options",
    [
        ("--model.init_args.notes=b.txt",),
        ("--model.notes", "b.txt"),
        ("--model.init_args={notes: b.txt}",),
        ("--model={init_args: {notes: b.txt}}",),
        ("--config", "recipes/more.yaml"),
        ("--config", "recipes/short.yaml"),
    ],
)
def test_arguments_of_options_and_of_a_second_recipe_go_over_the_first(workplace, options):
    (workplace.folder / "recipes" / "more.yaml").write_text("model: {init_args: {notes: ../b.txt}}\n")
    (workplace.folder / "recipes" / "short.yaml").write_text("model: {notes: ../b.txt}\n")
    code, _, said = workplace.fit(*options)
    assert (code, said) == (0, [])
    assert workplace.module().policy.notes == workplace.folder / "b.txt"


@pytest.mark.usefixtures("keys")
def test_a_mistake_is_shown_with_the_name_that_was_written(workplace):
    workplace.edit("policy: {path: ../elsewhere, notes: notes.txt}", "policy: ../elsewhere\n    notes: [1]")
    code, _, said = workplace.fit()
    assert code == 2
    assert said == ["error: recipes/toy.yaml:8:12: model.init_args.notes: must be Path or null, not [1]"]
    workplace.edit("notes: [1]", "notes: notes.txt")
    code, _, said = workplace.fit("--model.init_args.rate=many")
    assert (code, said) == (2, ["error: --model.init_args.rate: must be float, not 'many'"])


def test_a_mistake_below_a_former_class_has_its_place_and_name(workplace):
    workplace.edit("max_steps: 2, ", "max_steps: 2, callbacks: {class_path: RankCheckpoints, keep: true}, ")
    code, _, said = workplace.fit()
    assert (code, said) == (
        2,
        ["error: recipes/toy.yaml:3:72: trainer.callbacks.keep: unknown key (arguments of RankCheckpoints go under init_args)"],
    )


def test_the_parser_gets_present_names_and_the_tree_remembers_the_old_ones():
    argv = ["fit", "--model.weighting", "ExactUPGrad", "--model.lr=1", "--trainer.callbacks+=GoldWatch"]
    assert present_arguments(argv) == ["fit", "--model.weighting=UPGrad", "--model.lr=1", "--trainer.callbacks+=OveroptimizationMonitor"]
    weighting = from_arguments(argv).value["model"].value["weighting"]
    assert (weighting.value, weighting.place, weighting.renamed[0].old) == ("UPGrad", "--model.weighting", "ExactUPGrad")


def test_arguments_without_old_names_stay_as_they_are():
    argv = ["fit", "-c=a.yaml", "--x", "{a: 1}", "--y=", "--flag", "word"]
    assert present_arguments([word for word in argv if word != "-c=a.yaml"]) == [word for word in argv if word != "-c=a.yaml"]


def test_a_run_saved_under_old_names_is_taken_up_under_new_ones(tmp_path):
    weighting = {"class_path": "bbflow.optimization.weightings.ExactUPGrad", "init_args": {"ridge": 0.1}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"class_path": "bbflow.modules.GRPO", "init_args": {"w": weighting}}}))
    now = {"class_path": "bbflow.optimization.weightings.UPGrad", "init_args": {"ridge": 0.1}}
    settings = {"model": {"class_path": "bbflow.modules.GRPO", "init_args": {"w": now}}}
    assert changed_settings(tmp_path, settings) == []
    now["init_args"] = {"ridge": 0.2}
    assert changed_settings(tmp_path, settings) == ["model.init_args.w.init_args.ridge was 0.1, is 0.2"]


def test_capabilities_of_an_evaluation(tmp_path, capsys):
    from bbflow.cli.commands.evaluation_inputs import load_capabilities

    file = tmp_path / "capabilities.yaml"
    file.write_text(
        "mcq:\n  metric: bbflow.evaluation.suites.metrics.ChosenOption\n"
        "  rewards: {answer: {class_path: bbflow.rewards.knowledge.CorrectAnswer}}\n"
    )
    assert type(load_capabilities(str(file))["mcq"].metric) is MultipleChoiceAccuracy
    assert f"note: {file}:2:11: `bbflow.evaluation.suites.metrics.ChosenOption`" in capsys.readouterr().err
