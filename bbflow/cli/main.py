"""`bbflow`: dispatch of the command line; nothing heavy is imported before the command is known.

`COMMANDS` is the only list of commands: the help, the dispatch and the tests read it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bbflow import __version__
from bbflow.cli.errors import exit_code
from bbflow.errors import InputError, Problem, did_you_mean


@dataclass(frozen=True)
class Command:
    """A command: `module:function`, its line in the help, and whether its required arguments are positional."""

    function: str
    help: str
    positional: bool = False


_TRAINER = "bbflow.cli.training:run"
COMMANDS = {
    "fit": Command(_TRAINER, "train a policy by a recipe: bbflow fit --config recipes/grpo.yaml"),
    "validate": Command(_TRAINER, "measure a policy on the validation split of a recipe"),
    "test": Command(_TRAINER, "measure a policy on the test split of a recipe"),
    "predict": Command(_TRAINER, "write completions for the test prompts of a recipe: predictions.parquet in the run folder"),
    "init": Command("bbflow.cli.commands.init:init", "copy recipes, contracts and schemas into a folder of yours", positional=True),
    "generate": Command("bbflow.cli.commands.generate:generate", "write the examples of a recipe as Parquet, with card and receipt"),
    "contracts validate": Command("bbflow.cli.commands.contracts:validate", "check a file of examples against a data contract"),
    "contracts test": Command("bbflow.cli.commands.contracts:test", "run the accept and reject rows that a data contract carries"),
    "contracts explain": Command("bbflow.cli.commands.contracts:explain", "say in plain English what a data contract demands"),
    "contracts init": Command("bbflow.cli.commands.contracts:init", "draft a data contract from a file of data"),
    "contracts diff": Command("bbflow.cli.commands.contracts:diff", "show which rules and rows change from one contract to another"),
    "graph info": Command("bbflow.cli.commands.graph:info", "count what a knowledge graph holds"),
    "graph validate": Command("bbflow.cli.commands.graph:validate", "check a knowledge graph against the ontology, violation by violation"),
    "graph review": Command("bbflow.cli.commands.graph_review:review", "write a review sheet for a clinician, and read it back"),
    "evaluate": Command("bbflow.cli.commands.evaluate:evaluate", "score a policy, and certify it against a baseline"),
    "compare": Command("bbflow.cli.commands.compare:compare", "show runs side by side: bbflow compare RUN RUN --out DIR", positional=True),
    "export": Command("bbflow.cli.commands.export:export", "write a policy folder from a checkpoint, with model card and certificate"),
    "score": Command("bbflow.cli.commands.score:score", "score records by a reward model: keep, drop, or choose the best of several"),
    "rewards probe": Command("bbflow.cli.commands.rewards:probe", "try to be paid by rewards without answering"),
    "rewards nulls": Command("bbflow.cli.commands.rewards:nulls", "score text that answers nothing, by capability"),
    "schema": Command("bbflow.cli.commands.schema:schema", "print the JSON Schema of a file format", positional=True),
}
"""Name to command, in the order of the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `bbflow` with the given arguments (default: those of the process) and returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return exit_code(lambda: _dispatch(arguments))


def console() -> None:
    """The `bbflow` console script."""
    sys.exit(main())


def _dispatch(argv: list[str]) -> None:
    if argv[:1] == ["--version"]:
        _print(f"bbflow {__version__}")
        return
    words = [word for word in argv[:2] if not word.startswith("-")]
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:
        _no_command(argv, words)
        return
    command, rest = COMMANDS[name], argv[len(name.split()) :]
    # A console script does not search the working folder, where users keep custom classes.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module, attribute = command.function.split(":")
    if command.function == _TRAINER:
        import_module(module).run(name, rest)
    else:
        function = getattr(import_module(module), attribute)
        import_module("bbflow.cli.arguments").call(function, rest, f"bbflow {name}", command.positional)


def _no_command(argv: list[str], words: list[str]) -> None:
    group = {name: c for name, c in COMMANDS.items() if words and name.startswith(f"{words[0]} ")}
    if any(word in ("-h", "--help") for word in argv) or not argv:
        _print(_help(group or COMMANDS))
    elif group:
        given = " ".join(words)
        near = did_you_mean(given, group) if len(words) > 1 else ""
        hint = near if near.startswith("did you mean") else f"one of: {', '.join(f'bbflow {name}' for name in group)}"
        raise InputError(Problem(f"'{given}' is no command", "", hint))
    else:
        given = words[0] if words else argv[0]
        raise InputError(Problem(f"'{given}' is no command", "", did_you_mean(given, COMMANDS)))


def _help(commands: dict[str, Command]) -> str:
    width = max(map(len, commands))
    return "\n".join(
        [
            "usage: bbflow COMMAND [ARGUMENTS]",
            "",
            "Align small biomedical language models in several capabilities at once, from YAML recipes.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {command.help}" for name, command in commands.items()),
            "",
            "Every command takes --help; `bbflow --version` tells the version.",
            "bbflow trains language models; it gives no medical advice.",
        ]
    )


def _print(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    console()
