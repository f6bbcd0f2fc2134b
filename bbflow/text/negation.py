"""Negation: whether what a text names at a place is denied there. English only.

All readers ask one question of a span: in words (`is_negated`, for findings) or in characters (`Negation.reaches`, for the other kinds).
The kinds share their particles and differ in the verbs that deny, and in what may lie between a cue and its span. Advice for and against
drugs is read by `bbflow.text.drugs.drug_mentions`, where a cue has more effects than to deny.
"""

from __future__ import annotations

import re

from bbflow.text.tokenization import TokenizedText

PARTICLES = ("no", "not", "never", "without", "neither", "nor")
"""The cues that every kind of negation shares."""


class Negation:
    """A kind of negation by its cues.

    Args:
        cues: Patterns of cues; each begins at a word.
        between: Pattern of what may lie between a cue and the span that it denies.
        reach: Characters before a span in which the cue must begin; 0 for all.
    """

    def __init__(self, *cues: str, between: str, reach: int = 0) -> None:
        self.reach = reach
        self._pattern = re.compile(rf"(?:\b(?:{'|'.join(cues)})){between}$", re.IGNORECASE)

    def reaches(self, text: str, start: int) -> bool:
        """Return whether what begins at a character of a text is denied.

        >>> DENIED_URGENCY.reaches("This is not really urgent", 19), DENIED_URGENCY.reaches("No pain, but urgent", 13)
        (True, False)
        """
        return self._pattern.search(text[max(0, start - self.reach) if self.reach else 0 : start]) is not None


SKIPPED_STEP = Negation(
    *PARTICLES, "skip", "skipping", "omit", "omitting", "avoid", "forget", "t",
    between=r"\s+(?:(?:the|a|an|any|do|doing|take|taking|order|ordering|ask|about|to|for|need|further)\s+)*",
)  # fmt: skip
"""`skip the history`, `do not order any test`; `t` is what folding leaves of `don't`."""

DENIED_URGENCY = Negation(*PARTICLES, "non", "nothing", r"\w*n't", between=r"\b[^,:]*")
"""`no need for an urgent referral`, to the next comma or colon."""

CALM = Negation(
    r"(?:no|not|never|without|isn't|don't|doesn't|needn't|non)\b[^.;!?]{0,25}", r"non-",
    r"(?:rule[sd]? out|unlikely to be|instead of|rather than)\b[^.;!?]{0,15}", between="", reach=60,
)  # fmt: skip
"""`ruled out an emergency`, within a few words; the contract's reading, which takes more words for urgent than a reward."""

NO_REFUSAL = Negation("not", "never", "no need to", "no reason to", "don't", "do not", between=r" (?:\w+ )?", reach=20)
"""`I do not refuse`."""

NEGATOR = r"(?:not|no|never|neither|nor|except|excluding|without|cannot|(?:other|rather) than|instead of|(?:anything|everything|all) but)"
"""Pattern of what denies an answer that follows it: `anything but aspirin`."""

_COUNTED = re.compile(
    r"\b(?:not|no|none|never|nor|neither|without|cannot|except|unless|contraindicated|forbid\w*|rule[sd]? out|avoid\w*|unsafe|harm\w*)\b"
    r"|n't\b",
    re.IGNORECASE,
)


def count_negations(text: str) -> int:
    """Return the number of words of a text that turn its meaning round.

    >>> count_negations("Which drug is not unsafe, and cannot harm?")
    4
    """
    return len(_COUNTED.findall(text))


DENIALS = frozenset({"no", "without", "denies", "deny", "not", "never", "absent", "negative"})
"""Words before a finding that deny it."""
_ENDS = ("but", "with", "has", "reports", "takes")
_REACH = 6


def is_negated(text: TokenizedText, first: int) -> bool:
    """Return whether a finding is denied within its sentence, at most six words before.

    Args:
        text: The text.
        first: First word of the finding.

    >>> text = TokenizedText("She denies chest pain but has asthma.")
    >>> is_negated(text, 2), is_negated(text, 6)
    (True, False)
    """
    for i in range(first - 1, max(-1, first - 1 - _REACH), -1):
        if text.words[i] in DENIALS:
            return True
        if i + 1 in text.stops or text.words[i] in _ENDS:
            return False
    return False
