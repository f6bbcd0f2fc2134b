"""The paraphrase grammar of templates: `[one|another]` offers wordings of the same meaning; alternatives can be nested."""

from __future__ import annotations

import math
import random
from functools import cache

Part = str | tuple["Text", ...]
Text = tuple[Part, ...]
"""A sequence of parts: plain text, or the alternatives to choose from."""


@cache
def parse(text: str) -> Text:
    """Parse a template; brackets that hold no alternatives are plain text.

    >>> parse("[Which|What] drug [now]?")
    ((('Which',), ('What',)), ' drug [now]?')
    """
    parts, end = _sequence(text, 0)
    return parts if end == len(text) else (*parts, text[end], *parse(text[end + 1 :]))


def _sequence(text: str, at: int) -> tuple[Text, int]:
    parts: list[Part] = []
    plain = ""
    while at < len(text) and text[at] not in "|]":
        if text[at] != "[":
            plain += text[at]
            at += 1
            continue
        option, end = _sequence(text, at + 1)
        options = [option]
        while text[end : end + 1] == "|":
            option, end = _sequence(text, end + 1)
            options.append(option)
        if len(options) > 1:
            parts += [plain, tuple(options)]
            plain = ""
        else:
            plain += text[at : end + 1]
        at = end + 1
    return (*(part for part in (*parts, plain) if part),), at


def expand(text: str, rng: random.Random) -> str:
    """Pick one of each `[one|another]`, the outermost first; draw no random number where there are no alternatives.

    >>> expand("[Which|What] drug [helps|is [given|used]]?", random.Random(1))
    'Which drug helps?'
    """
    return _expand(parse(text), rng) if "|" in text else text


def _expand(text: Text, rng: random.Random) -> str:
    return "".join(part if isinstance(part, str) else _expand(part[rng.randrange(len(part))], rng) for part in text)


def count(text: str) -> int:
    """Return the number of texts that a template can become, before its slots are filled.

    >>> count("[Which|What] drug [helps|is [given|used]]?")
    6
    """
    return _count(parse(text))


def _count(text: Text) -> int:
    return math.prod(1 if isinstance(part, str) else sum(map(_count, part)) for part in text)
