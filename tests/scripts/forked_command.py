"""A command of `bbflow` in a process of its own, forked from one that has imported the libraries: importing them anew takes ten seconds."""

import multiprocessing
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["bbflow.cli.training", "bbflow.callbacks", "transformers.models.qwen2.modeling_qwen2", "great_expectations"]
)


def run(folder: Path, argv: list[str], timeout: float = 300) -> CompletedProcess:
    """Run `bbflow` in a folder; its exit code is negative where a signal ended it, as that of `subprocess`."""
    said = [folder / f".said-{name}" for name in ("out", "err")]
    process = _CONTEXT.Process(target=_command, args=(str(folder), argv, *map(str, said)))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"bbflow {' '.join(argv)} did not end: {said[1].read_text()[-2000:]}")
    return CompletedProcess(argv, process.exitcode, *(file.read_text() for file in said))


def _command(folder: str, argv: list[str], out: str, err: str) -> None:
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = ["bbflow", *argv]
    from bbflow.cli.main import main

    sys.exit(main())
