"""Exit codes and final messages of a command: 0 done, 1 refused (by a check, or by a full disk), 2 wrong input, 130 interrupted.

Wrong input is printed as `error: where: what (hint)`, one line per problem, on the last lines of stderr. Any other exception
is a bug of the program and keeps its traceback.
"""

from __future__ import annotations

import errno
import sys
from argparse import ArgumentError
from collections.abc import Callable, Iterator

from bbflow.errors import InputError, Refused

OK, REFUSED, USAGE, INTERRUPTED = 0, 1, 2, 130
_IN_THE_WAY = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def exit_code(run: Callable[[], object]) -> int:
    """Run a command and return its exit code, after a message on stderr where it failed.

    >>> def wrong(): raise InputError("no such task")
    >>> exit_code(wrong)
    2
    """
    try:
        run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        return _after_exit(stop)
    except Exception as error:
        ending = _ending(error)
        if ending is None:
            raise
        return _say(*ending)
    return OK


def _after_exit(stop: SystemExit) -> int:
    # Lightning shuts down on Ctrl+C and then calls sys.exit(1); argparse's --help ends with 0.
    if isinstance(stop.__context__, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(stop.code, str):
        return _say("error", [stop.code], USAGE)
    if type(stop).__name__ == "SIGTERMException":  # Lightning's, which is not imported for this
        return _say("stopped", ["before its end, as it was asked to; the same command with --ckpt_path last goes on"], stop.code or OK)
    return stop.code or OK


def _ending(error: Exception) -> tuple[str, list[str], int] | None:
    """Return label, lines and exit code for an exception; None for a bug of the program."""
    # Lightning and jsonargparse may have wrapped the exception of a package of bbflow, so look at the causes too.
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return "error", [str(problem) for problem in cause.problems], USAGE
        if isinstance(cause, Refused):
            return "refused", str(cause).splitlines(), REFUSED
    if isinstance(error, ArgumentError):
        return "error", [innermost(error.message)], USAGE
    if isinstance(error, OSError) and (ending := _ending_of_file_error(error)):
        return ending
    if lost := _lost(error):
        told = f"another process of this run cannot be reached, and what it said stands by itself ({lost})"
        return "stopped", [f"{told}; the same command with --ckpt_path last goes on"], REFUSED
    if type(error).__name__ == "MisconfigurationException":  # Lightning's class for settings that exclude each other
        return "error", [f"trainer: {' '.join(str(error).split())}"], USAGE
    return None


def _ending_of_file_error(error: OSError) -> tuple[str, list[str], int] | None:
    if error.errno == errno.ENAMETOOLONG:
        return "error", [f"{str(error.filename)[:80]}...: the name is too long for a file"], USAGE
    if isinstance(error, _IN_THE_WAY) and error.filename is not None:
        return "error", [f"{error.filename}: {error.strerror}"], USAGE
    if error.errno in _NO_ROOM:
        return "error", [f"{error.filename or 'a file'} could not be written: {error.strerror}"], REFUSED
    return None


def innermost(message: str) -> str:
    r"""Return the line of a nested parser message that names the actual mistake.

    >>> innermost("Parser key 'model':\n  Problem with class_path 'GRPO':\n    Option 'lrr' is not accepted\n  Given value: 3")
    "Option 'lrr' is not accepted"
    """
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    noise = ("given value", "subtypes:", "errors:", "- expected a <class 'nonetype'>", "does not validate against")
    telling = [line for line in lines if not line.strip().lower().startswith(noise)]
    if not telling:
        return message
    deepest = max(len(line) - len(line.lstrip()) for line in telling)
    return next(line for line in telling if len(line) - len(line.lstrip()) == deepest).strip().removeprefix("- ")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _lost(error: BaseException) -> str:
    """Return the message of torch about an unreachable process of the run; empty for all other errors."""
    for cause in _causes(error):
        names = {base.__name__ for base in type(cause).__mro__}
        if "DistError" in names or (isinstance(cause, RuntimeError) and "gloo/transport" in str(cause)):
            words = str(cause).splitlines()[0]
            return words.partition(". ")[0].rpartition("] ")[2] if "gloo/transport" in words else words
    return ""


def _say(label: str, lines: list[str], code: int) -> int:
    sys.stdout.flush()
    for line in dict.fromkeys(lines):
        print(f"{label}: {line}", file=sys.stderr)  # noqa: T201
    return code
