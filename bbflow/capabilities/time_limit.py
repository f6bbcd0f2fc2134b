"""A limit to the time that a block of code may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 1.0
"""Code that swallows the exception meets it again after so long."""


class TimeIsUp(TimeoutError):
    """The limit was reached; no time limit of the block's own, such as that of a socket."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in the block once it has taken longer.

    A signal interrupts what a watching thread could not: an endless loop, a regular expression that backtracks for hours, a socket that
    never answers. Where signals cannot be had (outside the main thread, on systems without SIGALRM) nothing is limited.

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
