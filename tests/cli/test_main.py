import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import bbflow
from bbflow.cli.errors import exit_code
from bbflow.cli.main import COMMANDS, main


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from bbflow.cli.main import main; main(['--help']);"
        "print([m for m in ('torch', 'lightning', 'transformers', 'jsonargparse', 'great_expectations', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.rstrip().endswith("[]")
    for name in COMMANDS:
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("kind", [PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError])
def test_a_file_in_the_way_is_wrong_input(kind, capsys):
    def run():
        raise kind(1, "is in the way", "out/file")

    assert exit_code(run) == 2
    assert capsys.readouterr().err == "error: out/file: is in the way\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--checkpoint", "x" * 400 + ".ckpt", "--out", "out"),
        ("evaluate", "--policy", "tiny", "--data", "x" * 400 + ".jsonl", "--out", "out"),
        ("graph", "info", "--graph", "x" * 400),
    ],
    ids=["export", "evaluate", "graph"],
)
def test_a_name_that_is_too_long_for_a_file_is_wrong_input(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) == 2
    assert capsys.readouterr().err.rstrip().endswith("the name is too long for a file")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists(name):
    module, function = COMMANDS[name].function.split(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", [name for name, c in COMMANDS.items() if not c.function.startswith("bbflow.cli.training")])
def test_help_of_a_command_describes_each_of_its_arguments(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: bbflow {name}")
    module, function = COMMANDS[name].function.split(":")
    described = getattr(import_module(module), function)
    for argument in described.__annotations__.keys() - {"return"}:
        assert argument in shown
        assert f"\n        {argument}: " in described.__doc__


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bbflow {bbflow.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["fitt"], "error: 'fitt' is no command (did you mean 'fit'?)"),
        (["graph"], "error: 'graph' is no command (one of: bbflow graph info, bbflow graph validate, bbflow graph review)"),
        (["graph", "inf"], "error: 'graph inf' is no command (did you mean 'graph info'?)"),
        (["--frob"], "error: '--frob' is no command"),
        (["graph", "info", "--grph", "x"], "error: --grph: unknown option (did you mean '--graph'?)"),
        (["schema", "recipes"], "error: there is no schema 'recipes' (did you mean 'recipe'?)"),
        (["schema"], "error: the following arguments are required: name"),
    ],
)
def test_a_wrong_command_line_ends_2_with_one_line(argv, said, capsys):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert len(err.splitlines()) == 1


def test_no_arguments_shows_the_help(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: bbflow COMMAND")


def test_the_console_script_ends_with_the_exit_code():
    environment = {**os.environ, "PYTHONPATH": str(Path(bbflow.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-m", "bbflow.cli.main", "fitt"], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (2, "error: 'fitt' is no command (did you mean 'fit'?)\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("[/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:9: Connection reset by peer. This is typical"), "reset by peer);"),
        (torch.distributed.DistBackendError("NCCL communicator was aborted on rank 1.\nMore."), "(NCCL communicator was aborted on rank 1.);"),
    ],
)  # fmt: skip
def test_a_process_that_lost_another_says_so_in_one_line(error, told, capsys):
    def fail():
        raise error

    assert exit_code(fail) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert line.startswith("stopped: another process of this run cannot be reached")
