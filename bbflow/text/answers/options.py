"""The options that a piece of text names, by text or by letter, and whether it offers one of them as the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache

from bbflow.graph.knowledge_graph import fold
from bbflow.text.answers.answer_cues import answer_cues, phrases
from bbflow.text.answers.quantities import decision
from bbflow.text.memo import BoundedMemo
from bbflow.text.tokenization import TokenizedText

_LETTER = re.compile(r"(?<![\w'.-])\(?([A-H])\)?(?![\w'-])")
_AFTER_A = re.compile(r"\s+(?:is|was|would|must|should|seems|and|or|because|fits|it|instead|too|not)\b|\s*$|\s*[^\w\s]")
"""What follows the letter A where it is no article."""
DECISIONS = frozenset({"yes", "no", "maybe"})


@cache
def _clause_end() -> re.Pattern[str]:
    starts = phrases(answer_cues().words["clause_starts"])
    but = r"(?<!anything )(?<!everything )(?<!all )(?<!nothing )but"
    return re.compile(rf"[,;:()\u2014\u2013]|\s-+\s|\b(?:{but}|{starts})\b", re.IGNORECASE)


def split_clauses(text: str, options: Sequence[str] = ()) -> list[str]:
    """Return the clauses of a sentence; an option is never cut, as `2, 1, 3` would be.

    >>> split_clauses("A, not B, because it is safe")
    ['A', ' not B', ' it is safe']
    """
    for i in _uncut(tuple(options)):
        if options[i].casefold() in text.casefold():
            text = re.sub(re.escape(options[i]), _sign(i), text, flags=re.IGNORECASE)
    return [clause for clause in _clause_end().split(text) if clause.strip()]


@lru_cache(maxsize=20_000)
def _uncut(options: tuple[str, ...]) -> tuple[int, ...]:
    """Return the options that hold the end of a clause, the longest first."""
    return tuple(i for i in sorted(range(len(options)), key=lambda i: -len(options[i])) if _clause_end().search(options[i]) and i < _MOST)


_MOST = 8
"""Options that letters are read for."""
_SIGN = re.compile(r"zzoption([a-h])zz")


def _sign(option: int) -> str:
    return f" zzoption{'abcdefgh'[option]}zz "


def plain(text: str) -> str:
    """Return a text as lower-case words; `don't` becomes `don t`.

    >>> plain("Don't give it!")
    'don t give it'
    """
    return _PLAIN[text]


_PLAIN: BoundedMemo[str, str] = BoundedMemo(lambda text: " ".join(TokenizedText(text).words), 20_000)


def are_decisions(options: Sequence[str]) -> bool:
    """Return whether the options are yes and no, which are also common words."""
    return bool(options) and {fold(option) for option in options} <= DECISIONS


def named_options(text: str, options: Sequence[str]) -> tuple[set[int], str]:
    """Return the options that a text names, and its words with `#` and the number of the option in the place of each name.

    >>> named_options("I prefer aspirin to B", ["warfarin", "heparin", "aspirin"])
    ({1, 2}, 'i prefer #2 to #1')
    """

    def letter(match: re.Match[str]) -> str:
        index = ord(match[1]) - ord("A")
        before = text[: match.start()].split()
        article = match[1] == "A" and match[0] == "A" and _AFTER_A.match(text, match.end()) is None
        if index >= min(len(options), _MOST) or article or (before and before[-1].lower() in answer_cues().words["lettered"]):
            return match[0]
        return _sign(index)

    words = f" {plain(_LETTER.sub(letter, text))} "
    if not are_decisions(options):
        for i in sorted(range(min(len(options), _MOST)), key=lambda i: -len(options[i])):
            name = plain(options[i])
            if name and f" {name} " in words:
                words = words.replace(f" {name} ", _sign(i))
    found = {ord(match[1]) - ord("a") for match in _SIGN.finditer(words)}
    return found, _SIGN.sub(lambda match: f"#{ord(match[1]) - ord('a')}", " ".join(words.split()))


@cache
def _endorsements() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    words = answer_cues().words
    bare = sorted(
        {*words["lead_ins"], *words["turns_first"], "maybe", "perhaps", "probably", "no", "yes", "well", "and", "or", "is it", "please"}
    )
    return (
        re.compile(rf"\b(?:{phrases(words['endorses_before'])})(?: [a-z]+){{0,3}} #([0-9])"),
        re.compile(rf"#([0-9])(?: [a-z]+)? (?:{phrases(words['endorses_after'])})\b"),
        re.compile(rf"(?:(?:{phrases(bare)}) )*#([0-9])(?: (?:{phrases(bare)}))*"),
    )


def offered_options(clause: str, options: Sequence[str]) -> tuple[set[int], bool]:
    """Return the options that a clause offers as the answer, and whether it consists of nothing else.

    >>> options = ["warfarin", "heparin", "aspirin"]
    >>> [offered_options(text, options) for text in ("I believe it is A", "not A", "heparin is right", "or aspirin")]
    [({0}, False), (set(), False), ({1}, False), ({2}, True)]
    """
    named, words = named_options(clause, options)
    if not named:
        return set(), False
    cues = answer_cues()
    before, after, bare = _endorsements()
    alone = bare.fullmatch(words)
    if alone is not None and not cues.holds("negators", words.replace("no #", "#")):
        return {int(alone[1])}, True
    if is_negated(words) or cues.holds("harms", words) or cues.holds("unworthy", words) or " than " in words:
        return set(), False
    return {int(m[1]) for pattern in (before, after) for m in pattern.finditer(words)}, False


def is_negated(words: str) -> bool:
    """Return whether a clause is turned round: it holds an odd number of particles of negation.

    >>> [is_negated(text) for text in ("it is not safe", "it is not without danger", "it is safe")]
    [True, False, False]
    """
    found = answer_cues().patterns["negators"].findall(words)
    return (len(found) - ("neither" in found and "nor" in found)) % 2 == 1  # `neither A nor B` denies once


def decided_otherwise(clause: str, wanted: str, short: int = 4) -> bool:
    """Return whether a short clause gives another decision than the wanted one.

    >>> decided_otherwise("then yes", "no"), decided_otherwise("no doubt", "yes")
    (True, False)
    """
    words = plain(clause)
    found = decision(words) if len(words.split()) <= short else None
    return found is not None and found != wanted
