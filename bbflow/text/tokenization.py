"""A text as its words: spelling folded, cut into sentences.

Case, accents, ligatures, full-width forms, invisible characters and letters of other alphabets that look Latin are folded, so that a
`wаrfarin` with a Cyrillic letter is found. What one character or one run without spaces amounts to is worked out once and
remembered: texts are many, and their pieces few.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

_LOOKALIKES = str.maketrans(
    "авеікмнорстухѕјԁһԛԝӏАВЕІКМНОРСТУХЅЈαεικνορτυχΑΒΕΗΙΚΜΝΟΡΤΥΧօոսіᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıȷɑɡłŁđĐøØħǀ",
    "abeikmhopctyxsjdhqwlABEIKMHOPCTYXSJaeikvoptuxABEHIKMNOPTYXonuiabcdefghijklmnoprstuvwyzijaglLdDoOhl",
)  # fmt: skip
"""Letters that look like Latin ones to these: Cyrillic, Greek, Armenian, small capitals, barred; `μ` stays, since it stands in units."""
_DIGIT_IN_WORD = re.compile(r"(?<=[A-Za-z]{4})[01]{1,2}(?=[A-Za-z])")
_READ_AS = str.maketrans("01", "ol")

_TOKEN = re.compile(r"(?P<word>\d+(?:[.,]\d+)*|[A-Za-zμ]+|%)|;")
_SPELLING = re.compile(r"\d+(?:[.,]\d+)*|[a-zμ]+|%")
_LETTERS_STOP = re.compile(r"[A-Za-z]{3}[.!?]\Z")
_REMEMBERED = 100_000
_FEW = 2_000  # texts of the rows that are looked at together


class _Folds(dict[str, str]):
    """A character to what it is read as."""

    def __missing__(self, character: str) -> str:
        if unicodedata.category(character) == "Cf":  # zero-width characters, soft hyphens, direction marks
            plain = ""
        else:
            plain = "-" if unicodedata.category(character) == "Pd" else character
            plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c)).translate(_LOOKALIKES)
        self[character] = plain
        return plain


_FOLDS = _Folds()


@lru_cache(maxsize=_FEW)
def normalize(text: str) -> str:
    """Folds everything but case; remembered for a while, since several rules look at one text.

    >>> normalize("Wаrfarın")
    'Warfarin'
    """
    return _digits_read(_plain(text))


def _plain(text: str) -> str:
    return text if text.isascii() else "".join(map(_FOLDS.__getitem__, text))


def fold_characters(text: str) -> tuple[str, list[int] | None]:
    """Folds everything but case, and says where each character comes from.

    Returns:
        The folded text, and for each of its characters its place in the original; None where nothing moved.
    """
    if text.isascii():
        return _digits_read(text), None
    return normalize(text), [place for place, character in enumerate(text) for _ in _FOLDS[character]]


def _digits_read(text: str) -> str:
    """Reads 0 and 1 amid letters as the letters that they look like: `propran0lol`."""
    return _DIGIT_IN_WORD.sub(lambda digits: digits[0].translate(_READ_AS), text) if _DIGIT_LETTER.search(text) else text


_DIGIT_LETTER = re.compile(r"[01][A-Za-z]")  # a far cheaper question


@lru_cache(maxsize=_REMEMBERED)
def name_key(name: str) -> str:
    """Returns what is the same for all spellings of a name: its letters and digits.

    >>> name_key("Co-Trimoxazole ") == name_key("cotrimoxazole")
    True
    """
    return "".join(_SPELLING.findall(normalize(name).casefold()))


_Ends = tuple[tuple[int, ...], str]
_Piece = tuple[tuple[str, ...], _Ends | None]


class _Pieces(dict[str, _Piece]):
    """A run without spaces to its words; then None, or where semicolons stand and whether it ends a sentence: "always", "perhaps", ""."""

    def __missing__(self, run: str) -> _Piece:
        words, stops = [], []
        for match in _TOKEN.finditer(_digits_read(run)):
            if match["word"]:
                words.append(match["word"].lower())
            else:
                stops.append(len(words))
        end = "" if run[-1] not in ".!?" else "always" if _LETTERS_STOP.search(run) else "perhaps"
        if len(self) >= _REMEMBERED:
            self.clear()
        self[run] = made = tuple(words), ((tuple(stops), end) if stops or end else None)
        return made


_PIECES = _Pieces()


class TokenizedText:
    """A text cut into words and sentences.

    A sentence ends at a semicolon; at a full stop, question or exclamation mark before a space and no lower-case letter, or after three
    letters; at the end of a line, unless a bullet follows.

    Attributes:
        text: The text.
        words: Lower-case words and numbers.
        stops: Indices of words that a new sentence or line begins with.
        bounds: The words that sentences begin with, in order, and the number of words.
        broken: Whether words may be broken by hyphens or at the end of a line.
    """

    __slots__ = ("_spans", "bounds", "broken", "stops", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self._spans: list[tuple[int, int]] | None = None
        self.words: list[str] = []
        stops = [0]
        plain = _plain(text)
        self.broken = "-" in plain or "\n" in plain
        open_end = broken_line = False  # a full stop, or an end of line, that ends a sentence unless the next run goes on with it
        for line in plain.split("\n"):
            runs = line.split()
            if runs and broken_line and runs[0][0] not in "-*•":
                stops.append(len(self.words))
            open_end = self._read(runs, open_end, stops)
            broken_line = True if runs else broken_line
        if open_end or plain[len(plain.rstrip()) :].count("\n"):
            stops.append(len(self.words))
        self.stops = set(stops)
        self.bounds = sorted(self.stops | {len(self.words)}) if self.words else [0]

    def _read(self, runs: list[str], open_end: bool, stops: list[int]) -> bool:
        words = self.words
        for run in runs:
            if open_end:
                if not "a" <= run[0] <= "z":
                    stops.append(len(words))
                open_end = False
            found, ends = _PIECES[run]
            if ends is None:
                words += found
                continue
            inner, end = ends
            stops += [len(words) + place for place in inner]
            words += found
            if end == "always":
                stops.append(len(words))
            open_end = end == "perhaps"
        return open_end

    def sentence(self, word: int) -> tuple[int, int]:
        """Returns the first word of the sentence that a word stands in, and the one after its last."""
        after = bisect_right(self.bounds, word)
        return self.bounds[after - 1], self.bounds[after]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Returns the characters of the words from `first` to `last` (exclusive) in the original text.

        Places are worked out when one is asked for, since most texts have nothing to point at.
        """
        places: list[int] | None = None
        if self._spans is None:
            text, places = fold_characters(self.text)
            self._spans = [m.span() for m in _TOKEN.finditer(text) if m["word"]]
            if places is not None:
                self._spans = [(places[start], places[end - 1] + 1) for start, end in self._spans]
        return self._spans[first][0], self._spans[last - 1][1]
