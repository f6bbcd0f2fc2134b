"""How a command ends: 0 done, 1 refused (by a check, or by a full disk), 2 wrong input, 130 interrupted; and what it says then.

Wrong input is told as `error: where: what (hint)`, one line per problem, on the last lines of stderr. An exception that is
none of these is a bug of the program and keeps its traceback.
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
    """Runs a command and returns its exit code, having said on stderr what was wrong.

    >>> def wrong(): raise InputError("no such task")
    >>> exit_code(wrong)
    2
    """
    try:
        run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        # Lightning shuts down on Ctrl+C and then calls sys.exit(1); argparse's --help ends with 0.
        if isinstance(stop.__context__, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(stop.code, str):
            return _say("error", [stop.code], USAGE)
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, which is not imported for this
            return _say("stopped", ["before its end, as it was asked to; the same command with --ckpt_path last goes on"], stop.code or OK)
        return stop.code or OK
    except Exception as error:
        # Lightning and jsonargparse may have wrapped what a floor said, so look at the causes too.
        for cause in _causes(error):
            if isinstance(cause, InputError):
                return _say("error", [str(problem) for problem in cause.problems], USAGE)
            if isinstance(cause, Refused):
                return _say("refused", str(cause).splitlines(), REFUSED)
        if isinstance(error, ArgumentError):
            return _say("error", [innermost(error.message)], USAGE)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return _say("error", [f"{str(error.filename)[:80]}...: the name is too long for a file"], USAGE)
        if isinstance(error, _IN_THE_WAY) and error.filename is not None:
            return _say("error", [f"{error.filename}: {error.strerror}"], USAGE)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return _say("error", [f"{error.filename or 'a file'} could not be written: {error.strerror}"], REFUSED)
        if lost := _lost(error):
            told = f"another process of this run cannot be reached, and what it said stands by itself ({lost})"
            return _say("stopped", [f"{told}; the same command with --ckpt_path last goes on"], REFUSED)
        if type(error).__name__ == "MisconfigurationException":  # Lightning's word for settings that exclude each other
            return _say("error", [f"trainer: {' '.join(str(error).split())}"], USAGE)
        raise
    return OK


def innermost(message: str) -> str:
    r"""Returns the line of a nested parser message that names the actual mistake.

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
    """What torch says of a process of the run that it does not reach any more; empty for all other errors."""
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
