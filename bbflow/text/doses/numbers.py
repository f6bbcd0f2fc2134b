"""Numbers in a text: in digits, in words, in Roman numerals and as fractions, and where they begin."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from bbflow.text.tokenization import TokenizedText

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {word: i + 1.0 for i, word in enumerate(_ONES.split())} | {word: 10.0 * (i + 2) for i, word in enumerate(_TENS.split())}
_MULTIPLIERS = {"hundred": 100.0, "thousand": 1000.0}
_ROMAN = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iiii": 4.0, "iv": 4.0, "v": 5.0, "vi": 6.0, "vii": 7.0, "viii": 8.0}
_PARTS = {"half": 0.5, "quarter": 0.25}


@lru_cache(maxsize=10_000)
def number(word: str) -> float | None:
    """Return the number that a word of digits is; of two kinds of separators the last is the decimal one. None for other words.

    >>> number("1,000"), number("0,5"), number("1.000,5"), number("x")
    (1000.0, 0.5, 1000.5, None)
    """
    if not word[0].isdigit():
        return None
    if "." in word and "," in word:
        thousands = "," if word.rindex(".") > word.rindex(",") else "."
        word = word.replace(thousands, "")
    elif word.count(".") > 1:
        word = word.replace(".", "")
    word = re.sub(r",(?=\d{3}(?:\D|$))", "", word).replace(",", ".")
    try:
        return float(word)
    except ValueError:
        return None


def count(word: str) -> float | None:
    """Return the positive number that a word is, in digits or in letters; None where it is none."""
    return number(word) or NUMBER_WORDS.get(word)


def roman(word: str) -> float | None:
    """Return the number that a Roman numeral of up to eight is, as prescriptions count tablets; None for other words."""
    return _ROMAN.get(word)


def gap(text: TokenizedText, word: int) -> str:
    """Return the characters between a word and the next one; "/" within one character such as `½`."""
    end, start = text.span(word, word + 1)[1], text.span(word + 1, word + 2)[0]
    return text.text[end:start] if start >= end else "/"


def count_before(text: TokenizedText, noun: int, start: int) -> tuple[float | None, int]:
    """Return how many of a noun there are, and the first word of the number; of a range the last number counts.

    >>> [count_before(TokenizedText(said), len(TokenizedText(said).words) - 1, 0)[0] for said in ("ii tabs", "1/2 tablet")]
    [2.0, 0.5]
    >>> [count_before(TokenizedText(said), 4, 0)[0] for said in ("one and a half tablets", "only 1 or 2 tablets")]
    [1.5, 2.0]
    """
    words, last = text.words, noun - 1
    if last >= start and words[last] in ("a", "an", "of"):
        last -= 1
    if last < start:
        return None, noun
    if words[last] in _PARTS:
        whole = last - 2 if last >= 2 and words[last - 1] == "a" else last - 1
        if whole > start and words[whole] == "and" and (ones := count(words[whole - 1])):
            return ones + _PARTS[words[last]], whole - 1
        return _PARTS[words[last]], last
    if words[last] in _ROMAN:
        return _ROMAN[words[last]], last
    fraction = last > start and words[last].isdecimal() and words[last - 1].isdecimal()
    if fraction and set(gap(text, last - 1)) & {"/", "\u2044"}:  # a slash, or that of fractions
        return float(words[last - 1]) / (float(words[last]) or 1.0), last - 1
    return amount_before(words, start, noun)


def amount_before(words: Sequence[str], first: int, unit: int) -> tuple[float | None, int]:
    """Return the number that ends before a word, in digits or in words, and its first word; None where there is no number.

    Args:
        words: The words of the text.
        first: The first word that may belong to the number.
        unit: The word after the number.
    """
    if unit - 1 < first:
        return None, unit
    value = number(words[unit - 1])
    if value is None:
        return _in_words(words, first, unit)
    return _of_several_words(words, first, unit, value) or (value, unit - 1)


_COUNTED = frozenset("tablet tablets tab tabs pill pills capsule capsules caps ampoule ampoules vial vials puff puffs".split())  # noqa: SIM905


def _of_several_words(words: Sequence[str], first: int, unit: int, value: float) -> tuple[float, int] | None:
    """Return a number in digits that is cut into words (`1e3`, `1 000`), and its first word; None where the last word is all of it.

    >>> _of_several_words(["1", "e", "3"], 0, 3, 3.0), _of_several_words(["1", "000"], 0, 2, 0.0)
    ((1000.0, 0), (1000.0, 0))
    """
    last = unit - 1
    if last - 2 >= first and words[last - 1] == "e":
        mantissa = number(words[last - 2])
        if mantissa is not None and math.isfinite(mantissa) and value.is_integer():
            digits, _, shift = f"{mantissa:g}".partition("e")
            return float(f"{digits}e{int(shift or 0) + int(value)}"), last - 2
    thousand = words[last - 1] if last - 1 >= first else ""
    grouped = thousand.isdecimal() and len(thousand) <= 3 and words[last].isdecimal() and len(words[last]) == 3
    if grouped and not (unit + 1 < len(words) and words[unit + 1] in _COUNTED):
        return float(thousand + words[last]), last - 1
    return None


def _in_words(words: Sequence[str], first: int, unit: int) -> tuple[float | None, int]:
    """Return the number in words that ends before a word, and its first word.

    >>> _in_words("take two thousand five hundred".split(), 0, 5), _in_words(["some"], 0, 1)
    ((2500.0, 1), (None, 1))
    """
    begin = unit
    while begin > first and (words[begin - 1] in NUMBER_WORDS or words[begin - 1] in _MULTIPLIERS):
        begin -= 1
    total, part = 0.0, 0.0
    for word in words[begin:unit]:
        if word in _MULTIPLIERS:
            part = (part or 1.0) * _MULTIPLIERS[word]
            if word == "thousand":
                total, part = total + part, 0.0
        else:
            part += NUMBER_WORDS[word]
    return (total + part if begin < unit else None), begin
