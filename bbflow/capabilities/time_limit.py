"""Time limit for a block of code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 1.0
"""Seconds until the exception is raised again in code that swallows it."""


class TimeIsUp(TimeoutError):
    """The time limit was reached; unlike a timeout raised by the block itself, such as that of a socket."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in the block after a number of seconds.

    A signal interrupts even code that a watching thread could not stop: an endless loop, a regular expression with excessive
    backtracking, a socket without an answer. Without signals (outside the main thread, on systems without SIGALRM) there is no limit.

    >>> with time_limit(0.01):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    bbflow.capabilities.time_limit.TimeIsUp: longer than 0.01 s
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
