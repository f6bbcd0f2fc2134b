"""Folding of spelling: which differences between two texts do not count, for each purpose that texts are compared for.

| function | case | punctuation | other scripts and look-alikes | compares |
|---|---|---|---|---|
| `bbflow.graph.fold` | folded | dropped | dropped | names in a graph, short answers; it lies below this package as the graph's key |
| `fold_any_script` | folded | dropped | kept | answers with options that have letters beyond ASCII |
| `normalize` | kept | kept | folded to ASCII where they look so | nothing by itself: what all tolerant readers read |
| `name_key` | folded | dropped with spaces | folded | names however they are spelt: `Co-Trimoxazole`, `cotrimoxazole` |
| `duplicate_key` | folded | kept | folded | whole prompts |
| `normalized_words` | folded | dropped | folded | prompts with benchmarks, where numbers may be masked |
| `plain_words` | folded | dropped | kept | near duplicates; signatures are stored, so this must not change |

Answers are compared with `fold`, which knows no look-alikes, on purpose: a completion that disguises its letters is not paid
(`bbflow.text.answers.consistency.is_obfuscated`), whereas a rule must see through the disguise.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LOOKALIKES = str.maketrans(
    "авеікмнорстухѕјԁһԛԝӏАВЕІКМНОРСТУХЅЈαεικνορτυχΑΒΕΗΙΚΜΝΟΡΤΥΧօոսіᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıȷɑɡłŁđĐøØħǀ",
    "abeikmhopctyxsjdhqwlABEIKMHOPCTYXSJaeikvoptuxABEHIKMNOPTYXonuiabcdefghijklmnoprstuvwyzijaglLdDoOhl",
)  # fmt: skip
"""Letters to the Latin ones that they look like: Cyrillic, Greek, Armenian, small capitals, barred. `μ` stays, for it begins units."""
_DIGIT_IN_WORD = re.compile(r"(?<=[A-Za-z]{4})[01]{1,2}(?=[A-Za-z])")
_DIGIT_LETTER = re.compile(r"[01][A-Za-z]")
"""Found in every text that `_DIGIT_IN_WORD` changes, and far cheaper to look for."""
_READ_AS = str.maketrans("01", "ol")
_SPELLING = re.compile(r"\d+(?:[.,]\d+)*|[a-zμ]+|%")
_WORD_OR_NUMBER = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_PLAIN = re.compile(r"\w+")
_CACHE_SIZE = 100_000
_FEW = 2_000
"""Texts of the rows that are looked at together."""


class _Folds(dict[str, str]):
    """A character to its folded form: none, one or several characters."""

    def __missing__(self, character: str) -> str:
        if unicodedata.category(character) == "Cf":  # zero-width characters, soft hyphens, direction marks
            plain = ""
        else:
            plain = "-" if unicodedata.category(character) == "Pd" else character
            plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c)).translate(_LOOKALIKES)
        self[character] = plain
        return plain


_FOLDS = _Folds()


def fold_characters(text: str) -> str:
    """Return a text with accents, ligatures, full-width forms, invisible characters and look-alikes folded, case kept.

    >>> fold_characters("Wаrfarın"), fold_characters("propran0lol")
    ('Warfarin', 'propran0lol')
    """
    return text if text.isascii() else "".join(map(_FOLDS.__getitem__, text))


def read_digits(text: str) -> str:
    """Return a text with 0 and 1 amid letters as the letters that they look like.

    >>> read_digits("propran0lol 100 mg")
    'propranolol 100 mg'
    """
    return _DIGIT_IN_WORD.sub(lambda digits: digits[0].translate(_READ_AS), text) if _DIGIT_LETTER.search(text) else text


@lru_cache(maxsize=_FEW)
def normalize(text: str) -> str:
    """Return a text with its characters folded and its digits read, case kept; remembered, since several rules read one text.

    >>> normalize("Wаrfarın"), normalize("propran0lol")
    ('Warfarin', 'propranolol')
    """
    return read_digits(fold_characters(text))


def normalize_with_places(text: str) -> tuple[str, list[int] | None]:
    """Normalize a text, and keep where each character comes from.

    Returns:
        The text of `normalize`, and for each of its characters its place in the original; None if nothing moved.
    """
    if text.isascii():
        return read_digits(text), None
    return normalize(text), [place for place, character in enumerate(text) for _ in _FOLDS[character]]


@lru_cache(maxsize=_CACHE_SIZE)
def name_key(name: str) -> str:
    """Return what all spellings of a name share: its letters and digits.

    >>> name_key("Co-Trimoxazole ") == name_key("cotrimoxazole")
    True
    """
    return "".join(_SPELLING.findall(normalize(name).casefold()))


def duplicate_key(text: str) -> str:
    """Return what copies of a text share that differ in case, spacing, accents, look-alikes or invisible characters only.

    >>> duplicate_key(" Which  drug? ")
    'which drug?'
    """
    return " ".join((text if text.isascii() else normalize(text)).casefold().split())


def unspaced_key(text: str) -> str:
    """Return a normalized text in lower case without its spaces.

    >>> unspaced_key("Give 5 mg.")
    'give5mg.'
    """
    return "".join(normalize(text).casefold().split())


def normalized_words(text: str, mask_numbers: bool = False) -> list[str]:
    """Split a text into normalized words and numbers in lower case.

    >>> normalized_words("A 45-year-old takes 2.5 mg.", mask_numbers=True)
    ['a', '#', 'year', 'old', 'takes', '#', 'mg']
    """
    words = _WORD_OR_NUMBER.findall(normalize(text).casefold())
    return ["#" if word[0].isdigit() else word for word in words] if mask_numbers else words


def plain_words(text: str) -> list[str]:
    """Split a text of any script into words in lower case.

    >>> plain_words("Take 2.5 mg?")
    ['take', '2', '5', 'mg']
    """
    return _PLAIN.findall(text.casefold())


def fold_any_script(text: str) -> str:
    r"""Fold case, spacing and punctuation in any script, where `fold` keeps ASCII alone; each Han character is a word by itself.

    >>> fold_any_script("\u0392-Blocker (oral)"), fold_any_script("\u8461\u8404\u3002")
    ('\u03b2 blocker oral', '\u8461 \u8404')
    """
    kept = (f" {c} " if "\u3400" <= c <= "\u9fff" else c if _spells(c) else " " for c in unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(kept).split())


def _spells(character: str) -> bool:
    """Return whether a character belongs to a word: letters, digits, and beyond ASCII their marks and symbols (arrows, say)."""
    return character == "%" or character.isalnum() or (not character.isascii() and unicodedata.category(character)[0] in "MS")
