"""Contradictions of a completion to its answer: a second answer in other words, a name that it denies, letters that only look right.

The answer itself is read by `bbflow.text.answers.extraction`. All of this is text alone, and is checked only where a completion would be
paid.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from bbflow.graph.knowledge_graph import fold
from bbflow.records import Example
from bbflow.text.negation import NEGATOR

MARK = re.compile(r"answer\s*:", re.IGNORECASE)
"""The mark before an answer."""

SENTENCE_END = re.compile(r"\.(?:\s|$)|\n")

_CLAIM = re.compile(r"\banswer\s+(?:is|would be|must be|should be|=)\s*:?\s*|\banswer\s*=\s*|\\boxed\{|<answer>\s*", re.IGNORECASE)
_CLAIM_END = re.compile(r"[;}<\n]|\.(?:\s|$)")
_EXPLAINS = re.compile(r"[,(:]|\s(?:because|since|as|for|but|not|which|who)\s", re.IGNORECASE)
_LEADS_IN = r"(?:(?:the answer is|it is|it's|its|it should be|it could be|it must be|that is|maybe|perhaps|probably)\s+)?"
_TAKES_BACK = re.compile(
    r"^(?:(?:no\s*[,:;-]|no(?= (?:it|the answer|wait|actually)\b)|(?:wait|hold on|sorry|or|rather|actually|instead|correction|i mean|"
    rf"i meant|make that|alternatively|on second thoughts?|scratch that)\b)[\s,:;-]*)+{_LEADS_IN}", re.IGNORECASE,
)  # fmt: skip
_LOOSELY = re.compile(rf"^(?:(?:no|not that|also|and|but|both|then)\b[\s,:;-]*)*{_LEADS_IN}", re.IGNORECASE)
_BETWEEN = r"(?:(?:a|an|the|to|be|by|with|give|given|use|take|say|it is|for)\s+)*"
_AUXILIARY = r"(?:is|are|was|does|do|can|must|should|will|would|may|has|isn|aren|doesn|don|can|won|shouldn|wouldn|mustn)"
_DENIES = re.compile(rf"\b{NEGATOR}\b|\bn?t\b|\b(?:wrong|false|incorrect)\b")
_PROHIBITING = frozenset({"contraindicated_in", "interacts_with", "caution_in"})
"""Relations whose honest statement may well deny: `propranolol must not be given in asthma`."""


def other_answers(completion: str) -> tuple[list[str], list[str]]:
    r"""Return the answers of a completion other than those after its `Answer:` marks.

    Returns:
        Claims (`the answer is A`, `\boxed{A}`, or a sentence after the answer that takes it back: `No, A`), and the sentences after it.

    >>> other_answers("The answer is A. Answer: B. No, C. It is safe.")
    (['A', 'C'], ['No, C', 'It is safe'])
    >>> other_answers("amlodipine treats hypertension. Answer: amlodipine")
    ([], [])
    """
    claims = [text for match in _CLAIM.finditer(completion) if (text := _CLAIM_END.split(completion[match.end() :], maxsplit=1)[0].strip())]
    rest = [text for part in MARK.split(completion)[1:] for text in SENTENCE_END.split(part.strip(" \t"))[1:]]
    after = [said for text in rest for sentence in re.split(r"[!?;]", text) if (said := sentence.strip())]
    for sentence in after:
        taken = _TAKES_BACK.match(sentence)
        if taken is not None and (text := sentence[taken.end() :].strip()):
            claims.append(text)
    return claims, after


def strip_explanation(claim: str) -> str:
    """Return a claim without its explanation.

    >>> strip_explanation("amlodipine, because it is safe")
    'amlodipine'
    """
    return _EXPLAINS.split(claim, maxsplit=1)[0].strip()


def strip_lead_in(sentence: str) -> str:
    """Return a sentence without the words that lead in to an answer.

    >>> strip_lead_in("And it is B"), strip_lead_in("No B")
    ('B', 'B')
    """
    return _LOOSELY.sub("", sentence)


def holds_denial(completion: str) -> bool:
    """Return whether a completion denies anything at all, which is far cheaper to see than what it denies.

    >>> holds_denial("Not aspirin."), holds_denial("aspirin")
    (True, False)
    """
    return _DENIES.search(fold(completion)) is not None


def denied(example: Example, completion: str, names: Iterable[str]) -> bool:
    """Return whether a completion denies one of the names that it would be paid for: `not aspirin`, `aspirin does not help`.

    A denial that follows the name is no fault where the question is about a prohibition.

    >>> from bbflow.testing import OPEN
    >>> texts = ("not aspirin", "aspirin does not help", "anything but aspirin", "aspirin, which is not new", "aspirin")
    >>> [denied(OPEN, text, ["aspirin"]) for text in texts]
    [True, True, True, False, False]
    """
    text = fold(completion)
    if _DENIES.search(text) is None:
        return False
    prohibits = any(edge[1] in _PROHIBITING for edge in example.edges)
    return any(_denial(name, prohibits).search(text) is not None for name in map(fold, names) if name)


@cache
def _denial(name: str, prohibits: bool) -> re.Pattern[str]:
    before = rf"\b(?:{NEGATOR}|(?:isn|aren|doesn|don|can|won) t)\s+{_BETWEEN}{re.escape(name)}\b"
    after = rf"\b{re.escape(name)}\s+{_AUXILIARY}\s+(?:not|never|t|no)\b|\b{re.escape(name)}\s+cannot\b"
    wrong = rf"\b{re.escape(name)}\s+(?:is|are|would be)\s+(?:wrong|false|incorrect)\b"
    return re.compile("|".join((before, wrong) if prohibits else (before, after, wrong)))


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
