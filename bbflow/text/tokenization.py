"""A text as its words and sentences, spelling folded, so that a `wаrfarin` with a Cyrillic letter is found.

The words of a run without spaces are worked out once and remembered: texts are many, and their pieces few.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from bbflow.text.normalization import fold_characters, normalize_with_places, read_digits

_TOKEN = re.compile(r"(?P<word>\d+(?:[.,]\d+)*|[A-Za-zμ]+|%)|;")
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[A-Za-zμ]+|%")
_QUOTES = re.compile("[\"'\u2018\u201c]")
_OPEN_QUOTE = re.compile(r"(?<!\w)['\u2018](?:[^'\u2019\n]|(?<=\w)['\u2019](?=\w))*\Z")
"""A single quotation mark that opens and is not closed; an apostrophe within a word is none."""
_LETTERS_STOP = re.compile(r"[A-Za-z]{3}[.!?]\Z")
_SHORTENED = frozenset(("incl.", "approx.", "resp.", "max.", "min.", "tab.", "tabs.", "cap.", "caps.", "susp.", "inj.", "e.g.", "esp."))
"""Words after whose full stop a sentence goes on with a small letter."""
_CACHE_SIZE = 100_000

_Ends = tuple[tuple[int, ...], str]
_Piece = tuple[tuple[str, ...], _Ends | None]


def has_quotes(text: str) -> bool:
    """Return whether a text has a character that can begin a quotation."""
    return _QUOTES.search(text) is not None


class _Pieces(dict[str, _Piece]):
    """A run without spaces to its words, and None or its semicolons and whether it ends a sentence: "always", "perhaps", ""."""

    def __missing__(self, run: str) -> _Piece:
        words, stops = [], []
        for match in _TOKEN.finditer(read_digits(run)):
            if match["word"]:
                words.append(match["word"].lower())
            else:
                stops.append(len(words))
        end = "" if run[-1] not in ".!?" else "always" if _LETTERS_STOP.search(run) and run.lower() not in _SHORTENED else "perhaps"
        if len(self) >= _CACHE_SIZE:
            self.clear()
        self[run] = made = tuple(words), ((tuple(stops), end) if stops or end else None)
        return made


_PIECES = _Pieces()


class TokenizedText:
    """A text cut into words and sentences.

    A sentence ends at a semicolon; at a full stop, question or exclamation mark before a space and no lower-case letter or plus
    sign, or after three letters; at the end of a line, unless a bullet follows.

    Attributes:
        text: The original text.
        words: Lower-case words and numbers.
        stops: Indices of the words that begin a sentence or line.
        bounds: Indices of the words that begin a sentence, in order, and the number of words.
        broken: Whether words may be broken by hyphens or at the end of a line.
    """

    __slots__ = ("_spans", "bounds", "broken", "stops", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self._spans: list[tuple[int, int]] | None = None
        self.words: list[str] = []
        stops = [0]
        plain = fold_characters(text)
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
                if not ("a" <= run[0] <= "z" or run[0] in "+&"):
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
        """Return the first word of the sentence of a word, and the one after its last."""
        after = bisect_right(self.bounds, word)
        return self.bounds[after - 1], self.bounds[after]

    def is_question(self, word: int) -> bool:
        """Return whether a question mark ends the sentence of a word.

        >>> [TokenizedText("Aspirin? Take it.").is_question(word) for word in (0, 1)]
        [True, False]
        """
        if "?" not in self.text:
            return False
        end = self.sentence(word)[1]
        return "?" in self.text[self.span(end - 1, end)[1] :][:3].split(" ")[0]

    def is_quoted(self, word: int) -> bool:
        """Return whether a word stands within quotation marks, as what somebody else says.

        >>> text = TokenizedText('The leaflet says "take aspirin", but rest.')
        >>> text.is_quoted(4), text.is_quoted(6)
        (True, False)
        """
        at = self.span(word, word + 1)[0]
        before = self.text[:at]
        return before.count('"') % 2 == 1 or before.count("\u201c") > before.count("\u201d") or _OPEN_QUOTE.search(before) is not None

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the characters of the words from `first` to `last` (exclusive) in the original text.

        Places are worked out on the first call, since most texts have nothing to point at.
        """
        places: list[int] | None = None
        if self._spans is None:
            text, places = normalize_with_places(self.text)
            self._spans = [m.span() for m in _WORD.finditer(text)]
            if places is not None:
                self._spans = [(places[start], places[end - 1] + 1) for start, end in self._spans]
        return self._spans[first][0], self._spans[last - 1][1]
