"""Whether a text leaves no doubt that it does not advise a drug: a phrase against the drug stands next to it, and nothing speaks for it.

The reader of stances decides what a text most likely means. Where a drug would harm, that is not enough: only a firm word clears it, and
everything else is not understood.
"""

from __future__ import annotations

from bbflow.text.drugs.drug_mentions import DrugMention, TextReading
from bbflow.text.drugs.stance_cues import Effect, StanceCues, break_between, may_break_after, stance_cues
from bbflow.text.tokenization import TokenizedText

_REACH = 6
"""Words before a drug, or a list of drugs, that hold the phrase against it."""
_REACH_WITH_DOSE = 3
"""The same where the text gives a dose of the drug, as it would of one that it advises."""
_LAST = 3
"""Words at the end of a sentence that dismiss what it names: "..., hence not chosen"."""
_OPPOSING = frozenset((Effect.OPPOSES, Effect.OPPOSES_BEFORE))
_CLOSING = frozenset(("and", "or", "nor"))
"""Words before the last name of a list."""
_JOINING = frozenset(("and", "but", "so", "then", "while", "because", "since"))
"""Words that begin the part of a sentence that the next name belongs to."""
_NEGATION_REACH = 3
"""Words before a word of advice in which a negation cancels it: "do not give"."""


def is_firmly_dismissed(reading: TextReading, mention: DrugMention) -> bool:
    """Return whether a text leaves no doubt that it does not advise a drug whose stance is `against` or `spoken of`.

    >>> from bbflow.testing import GRAPH
    >>> from bbflow.text.drugs.drug_mentions import read_drug_stances
    >>> readings = [read_drug_stances(said, GRAPH) for said in ("Avoid warfarin.", "It won't hurt: warfarin 5 mg is fine.")]
    >>> [is_firmly_dismissed(reading, reading.drug_mentions[0]) for reading in readings]
    [True, False]
    """
    text, cues = reading.text, stance_cues()
    first, last = _list_around(reading, mention, cues)
    last = max(last, mention.dose_words[1]) if last <= mention.dose_words[1] <= last + _REACH else last
    start = text.sentence(first)[0]
    before, after = _before(reading, first, cues), _after(reading, last)
    if mention.stance == "spoken of":
        if _is_counterfactual(text, start, first, cues):
            return True
        own = range(max([start, *(m.last for m in reading.mentions if m.last <= first and m.nodes)]), first)
        end = text.sentence(first)[1]
        assents = text.words[0] in cues.words.assents or "yes" in text.words[start:end]
        return not assents and not any(_affirms(text, i, cues) for i in (*own, *after))
    if _count_against(text, before, cues) > 1:
        return False
    if any(_affirms(text, i, cues) for i in after) and not (before and text.words[before[-1]] in cues.words.negations):
        return False
    reach = _REACH_WITH_DOSE if mention.dose_words[1] else _REACH
    if any(_opposes(text, i, cues) for i in before[-reach:]) or _follows(text, after, cues):
        return True
    if mention.dose_words[1]:
        return False
    return _ends(text, after, cues) or not cues.words.denials.isdisjoint((text.words[start], text.words[0]))


def _count_against(text: TokenizedText, words: list[int], cues: StanceCues) -> int:
    """Return how many phrases against a drug some words hold: two of them may turn each other around."""
    count, after = 0, 0
    for i in words:
        cue = cues.at(text, i) if i >= after else None
        if cue is not None:
            after = i + cue.size
            count += cue.effect in _OPPOSING
    return count


def _follows(text: TokenizedText, after: list[int], cues: StanceCues) -> bool:
    """Return whether a phrase against a drug follows it, over words that say nothing themselves."""
    for i in after:
        if _opposes(text, i, cues) or _interacts(text, i, cues) or (i == after[0] and text.words[i] in cues.words.terminal):
            return True
        if text.words[i] not in cues.words.bridges:
            return False
    return False


def _ends(text: TokenizedText, after: list[int], cues: StanceCues) -> bool:
    """Return whether a phrase against a drug ends its sentence."""
    ends = bool(after) and after[-1] + 1 == text.sentence(after[-1])[1]
    return ends and any(_opposes(text, i, cues) and text.words[i - 1] not in cues.words.sequences for i in after[-_LAST:])


def _is_counterfactual(text: TokenizedText, start: int, first: int, cues: StanceCues) -> bool:
    """Return whether what a sentence says of a drug would be so were the patient another: "were she not pregnant, I'd give X"."""
    effects = [cue.effect for i in range(start, first) if (cue := cues.at(text, i)) is not None]
    return Effect.COUNTERFACTUAL in effects and Effect.CONTRAST not in effects


def _list_around(reading: TextReading, mention: DrugMention, cues: StanceCues) -> tuple[int, int]:
    """Return the words of the list of names that a drug stands in: "X, Y and Z"."""
    text, joins = reading.text, cues.words.lists | cues.words.joiners
    first, last = mention.words
    start, end = text.sentence(first)
    closed = False  # "X or Y, Z is better" is a list of two
    spans = [(m.first, m.last) for m in reading.mentions if start <= m.first < end]
    for span in reversed([span for span in spans if span[1] <= first]):
        if not joins.issuperset(text.words[span[1] : first]):
            break
        closed = closed or not _CLOSING.isdisjoint(text.words[span[1] : first])
        first = span[0]
    for span in [span for span in spans if span[0] >= last]:
        gap = text.words[last : span[0]]
        if closed or not joins.issuperset(gap):
            break
        closed, last = not _CLOSING.isdisjoint(gap), span[1]
    return first, last


def _before(reading: TextReading, first: int, cues: StanceCues) -> list[int]:
    """Return the words before a list of drugs, back to a comma, a colon, a dash, another name or the beginning of the sentence.

    A break right after a phrase against what follows is none: "STOPPED: X".
    """
    text = reading.text
    start = max([text.sentence(first)[0], *(m.last for m in reading.mentions if m.last <= first and m.nodes)])
    found: list[int] = []
    for i in range(first - 1, start - 1, -1):
        if (
            may_break_after(text, i)
            and break_between(text, i, i + 1)
            and not (i == first - 1 and any(_opposes(text, k, cues) for k in range(max(start, i - 1), i + 1)))
        ):
            break
        found.append(i)
    return found[::-1]


def _after(reading: TextReading, last: int) -> list[int]:
    """Return the words after a list of drugs, up to the end of the sentence, or to the part of it that another name belongs to."""
    end = reading.text.sentence(max(last - 1, 0))[1]
    following = [m.first for m in reading.mentions if last <= m.first < end and m.nodes]
    if not following:
        return list(range(last, end))
    found: list[int] = []
    for i in range(last, following[0]):
        if reading.text.words[i] in _JOINING or (may_break_after(reading.text, i - 1) and break_between(reading.text, i - 1, i)):
            break
        found.append(i)
    return found


def _opposes(text: TokenizedText, i: int, cues: StanceCues) -> bool:
    cue = cues.at(text, i)
    return cue is not None and cue.effect in _OPPOSING


def _interacts(text: TokenizedText, i: int, cues: StanceCues) -> bool:
    cue = cues.at(text, i)
    return cue is not None and cue.effect is Effect.INTERACTS


def _affirms(text: TokenizedText, i: int, cues: StanceCues) -> bool:
    """Return whether a word speaks for a drug, and no negation stands right before it."""
    words = cues.words
    return text.words[i] in words.affirming and words.negations.isdisjoint(text.words[max(0, i - _NEGATION_REACH) : i])
