"""Letters of a completion that only look like others, that cannot be seen, or of a script that nobody asked for."""

from __future__ import annotations

import re
import unicodedata

from bbflow.records import Example

_HIDES = re.compile(r"~~|<!--|<(?:del|s|strike|template|script)>", re.IGNORECASE)
"""Marks that strike out or hide what follows."""


def is_obfuscated(example: Example, completion: str) -> bool:
    r"""Return whether a completion holds letters that only look like others, that cannot be seen, or of a script that nobody asked for.

    What is struck out or commented out cannot be seen either, or is not meant.

    Names are compared by their Latin letters, so that what else is written would go unread: a second answer in Cyrillic letters, say.
    Accents are fine, and so is a Greek letter that stands alone or begins a unit; so is what the prompt or the gold holds, and any script
    where a language is demanded.

    >>> from bbflow.testing import CHOICE
    >>> honest = "amlodipine, 5 \u00b5g, \u03b2-blocker, na\u00efve"
    >>> texts = [honest, "\u0430mlodipine", "amlo\u200bdipine", "\uff21", "amlodipine \u6216 A"]
    >>> [is_obfuscated(CHOICE, text) for text in texts]
    [False, True, True, True, True]
    >>> [is_obfuscated(CHOICE, text) for text in ("~~amlodipine~~", "<!-- amlodipine -->", "<del>amlodipine</del>", "amlodipine (~5 mg)")]
    [True, True, True, False]
    """
    if _HIDES.search(completion) is not None:
        return True
    if completion.isascii() or any(c["type"] == "language:response_language" for c in example.constraints):
        return False
    known = set(example.prompt).union(example.answer, *example.accepted, *(example.options or ()))
    return any(_is_disguise(word, known) for word in unicodedata.normalize("NFC", completion).split() if not word.isascii())


def _is_disguise(word: str, known: set[str]) -> bool:
    for i, letter in enumerate(word):
        if letter.isascii() or letter in known:
            continue
        category, name = unicodedata.category(letter), unicodedata.name(letter, "")
        if category in ("Cf", "Mn", "Me", "Nd") and letter != "\ufe0f":
            return True
        named = " LETTER " in f" {name} " or category[0] == "L"
        if named and not name.startswith("LATIN ") and letter not in "\u00aa\u00ba" and not _is_greek_sign(word, i):
            return True
    return False


def _is_greek_sign(word: str, at: int) -> bool:
    """Return whether a Greek letter is alone between other characters (`\u03b2-blocker`), or the sign of a microunit (`\u03bcg`)."""
    name = unicodedata.name(word[at], "")
    if not name.startswith(("GREEK", "MICRO")):
        return False
    before, after = word[at - 1 : at] if at else "", word[at + 1 : at + 2]
    micro = (
        word[at] in "\u00b5\u03bc" and not before.isalpha() and re.match(r"(?:g|l|L|mol|m|s|M|kat)(?![a-zA-Z])", word[at + 1 :]) is not None
    )
    return micro or not (before.isalpha() or after.isalpha())
