from pathlib import Path
from typing import Literal

import pytest

from bbflow.cli.arguments import call
from bbflow.errors import InputError


def command(data: list[str], out: Path, number: int = 1, names: list[str] | None = None) -> tuple:
    """Does something.

    Args:
        data: Files.
        out: Folder.
        number: How many.
        names: Some names.
    """
    return data, out, number, names


def test_lists_are_given_by_repeating_the_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["--data", "a", "--data=b", "--out", "x/y", "--names", "n"]
    assert call(command, argv, "bbflow x", positional=False) == (["a", "b"], tmp_path / "x" / "y", 1, ["n"])


def test_required_arguments_without_name():
    def command(name: str, times: int = 1) -> str:
        return name * times

    assert call(command, ["ab", "--times=2"], "bbflow x", positional=True) == "abab"


def test_unknown_options_and_abbreviations_are_refused():
    with pytest.raises(InputError, match=r"--numbr: unknown option .did you mean '--number'"):
        call(command, ["--data=a", "--out=b", "--numbr=3"], "bbflow x", positional=False)
    with pytest.raises(InputError, match="--num: unknown option"):
        call(command, ["--data=a", "--out=b", "--num=3"], "bbflow x", positional=False)


def test_a_wrong_type_is_refused():
    with pytest.raises(InputError, match="--number: must be int, not 'many'"):
        call(command, ["--data=a", "--out=b", "--number=many"], "bbflow x", positional=False)


def test_a_value_that_is_none_of_the_choices_names_the_option_and_the_choices():
    def command(on_error: Literal["refuse", "skip"] = "refuse") -> None: ...

    with pytest.raises(InputError, match="--on_error: must be 'refuse' or 'skip', not 'ignore'"):
        call(command, ["--on-error", "ignore"], "bbflow x", positional=False)


def test_a_flag_needs_no_value():
    def command(gate: bool = False, number: int = 1) -> tuple:
        return gate, number

    assert call(command, ["--gate", "--number", "3"], "bbflow x", positional=False) == (True, 3)
    assert call(command, ["--gate", "false"], "bbflow x", positional=False) == (False, 1)
    assert call(command, ["--gate=true"], "bbflow x", positional=False) == (True, 1)
    assert call(command, [], "bbflow x", positional=False) == (False, 1)
