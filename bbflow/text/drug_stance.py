"""What a text advises: every drug it mentions, and whether it is advised, advised against, or just spoken of.

Cues are read from left to right, as NegEx does (Chapman 2001): `avoid`, `do not`, `instead of` turn what follows against the drug,
`give`, `start`, `answer:` for it; `is contraindicated`, `should be avoided` look back. A sentence, `but`, `because` and their like
end the reach of a cue. A drug that no cue reaches is spoken of where its sentence states a fact (`causes`, `lowers`, `is a`), and
otherwise it is unclear what is said of it, which no rule may take for harmless. English only.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping
from typing import Literal, NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.dose_parsing import daily_dose, front_dose
from bbflow.text.entity_linking import Mention, entity_linker
from bbflow.text.stance_cues import (
    BLAME,
    BY_TWO_WORDS,
    DOUBLE,
    FACTS,
    FILLER,
    GIVING,
    OMISSIONS,
    PARTICLES,
    PRONOUNS,
    REACH,
    SWAPS,
    TELLING,
    WITHDRAWALS,
    Cue,
)  # fmt: skip
from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS

Stance = Literal["advised", "against", "spoken of", "unclear"]


class DrugMention(NamedTuple):
    """A drug or a family of drugs in a text.

    Attributes:
        drug: Node id of the drug; of the class or the allergy that a family is known by; `UNKNOWN`.
        stance: What the text says of it.
        words: Its words.
        daily_mg: The milligrams a day that the text gives; None where it gives no dose.
        dose_words: The words of the dose.
    """

    drug: str
    stance: Stance
    words: tuple[int, int]
    daily_mg: float | None
    dose_words: tuple[int, int]


class TextReading(NamedTuple):
    """A text read: its words, those that are units of mass, the mentions of nodes, what is said of each drug and of each class of drugs."""

    text: TokenizedText
    units: list[int]
    mentions: list[Mention]
    advice: list[DrugMention]
    classes: list[DrugMention]


_NAME, _UNIT, _TELLING, _PRONOUN = 1, 2, 4, 8


class _Marks(dict[str, int]):
    """A word to what it may be in a text: the first of a name, a unit, a cue's first, a pronoun; 0 for none of these, as most are."""

    def __init__(self, firsts: Container[str]) -> None:
        self.firsts = firsts

    def __missing__(self, word: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = mark = (
            _NAME * (word in self.firsts) | _UNIT * (word in MASS_WORDS) | _TELLING * (word in TELLING) | _PRONOUN * (word in PRONOUNS)
        )
        return mark


_REMEMBERED = 100_000


@memoize_per_graph
def _marks(graph: KnowledgeGraph) -> _Marks:
    return _Marks(entity_linker(graph).longest)


def read_drug_stances(text: str | TokenizedText, graph: KnowledgeGraph) -> TextReading:
    """Reads a text.

    Args:
        text: English prose, whole or cut into words.
        graph: The graph whose drugs are looked for.
    """
    words = TokenizedText(text) if isinstance(text, str) else text
    names = entity_linker(graph)
    units, begins, telling, pronouns = list[int](), list[int](), list[int](), list[int]()
    for i, mark in enumerate(map(_marks(graph).__getitem__, words.words)):
        if mark:  # as at every third word
            if mark & _NAME:
                begins.append(i)
            if mark & _TELLING:
                telling.append(i)
            if mark & _UNIT:
                units.append(i)
            if mark & _PRONOUN:
                pronouns.append(i)
    mentions = names.mentions(words, begins)
    drugs, classes = list[tuple[Mention, str]](), list[tuple[Mention, str]]()
    meant = _meanings(graph)
    for mention in mentions:
        kind, node = meant[mention.nodes]
        if kind == "Drug":
            drugs.append((mention, node))
        elif kind == "DrugClass":
            classes.append((mention, node))
        elif (family := names.family(words, mention)) is not None:
            classes.append((mention, family))
    of_classes = []
    if classes:
        stances = _stances(words, [m for m, _ in classes], [], telling, pronouns)
        of_classes = [
            DrugMention(node, s or "unclear", (m.first, m.last), None, (0, 0)) for (m, node), s in zip(classes, stances, strict=True)
        ]
    of_drugs = _of_drugs(words, drugs, mentions, units, telling, pronouns) if drugs else []
    return TextReading(words, units, mentions, of_drugs, of_classes)


def _of_drugs(
    words: TokenizedText,
    drugs: list[tuple[Mention, str]],
    mentions: list[Mention],
    units: list[int],
    telling: list[int],
    pronouns: list[int],
) -> list[DrugMention]:
    named = {m.first for m, _ in drugs}
    others = [m.first for m in mentions if m.first not in named]
    stances = _stances(words, [m for m, _ in drugs], others, telling, pronouns)
    fronts: list[tuple[int, int] | None] = []
    for i, (mention, _) in enumerate(drugs):
        fronts.append(front_dose(words, units, mention.first, drugs[i - 1][0].last if i else 0, bool(i and fronts[i - 1])))
    ends = [*(front[0] if front else mention.first for (mention, _), front in zip(drugs, fronts, strict=True)), len(words.words)]
    advice = []
    for i, (mention, drug) in enumerate(drugs):
        daily, place = daily_dose(words, mention.last, ends[i + 1], mention.first, fronts[i], units)
        stance = stances[i]
        if stance is None:
            stance = "advised" if daily is not None or _is_bare(words, mentions, mention) else _unsaid(words, mention)
        advice.append(DrugMention(drug, stance, (mention.first, mention.last), daily, place))
    return advice


class _Meanings(dict[tuple[str, ...], tuple[str, str]]):
    """Nodes that have one name to `Drug` or `DrugClass` and the one of them that is meant; to ("", "") where it is neither."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.kinds = {node.id: node.kind for node in graph.nodes()}

    def __missing__(self, nodes: tuple[str, ...]) -> tuple[str, str]:
        drugs = [node for node in nodes if self.kinds[node] == "Drug"]
        if len(drugs) == 1:
            meant = "Drug", drugs[0]
        else:
            meant = ("DrugClass", nodes[0]) if len(nodes) == 1 and self.kinds[nodes[0]] == "DrugClass" else ("", "")
        self[nodes] = meant
        return meant


_meanings = memoize_per_graph(_Meanings)


def _stances(text: TokenizedText, drugs: list[Mention], others: list[int], telling: list[int], pronouns: list[int]) -> list[Stance | None]:
    """Walks over the words once; None where no cue reaches a drug.

    Args:
        text: The text.
        drugs: Where drugs, or classes of drugs, are named.
        others: The words at which anything else is named.
        telling: The words that a cue may begin with.
        pronouns: The words that are pronouns.
    """
    words, found = text.words, [None] * len(drugs)  # type: list[str], list[Stance | None]
    begins = {m.first: k for k, m in enumerate(drugs)}
    telling = sorted({*telling, *begins})
    clause, at = 0, 0  # first drug of this clause, and the one that comes next
    free = 0
    before = -1
    for sentence in _sentences(text, drugs, pronouns):
        # Only a pronoun reaches over the end of a sentence: what stands in one without a drug and without a pronoun changes nothing.
        last_clause, clause = (clause if sentence == before + 1 else at), at  # `last_clause`: first drug of the clause before
        before, start, end = sentence, text.bounds[sentence], text.bounds[sentence + 1]
        state: Stance | None = None
        left_out = False  # the sentence's subject is that a drug is not given
        negated_at = -9  # word of the last negating particle that no drug followed yet
        since = start  # word after the cue that the state comes from, or after the last drug that it reached
        swaps = fresh = False  # after `switch from`, `to` names the new drug; no drug and no cue followed a negation yet
        for i in telling[bisect_left(telling, start) : bisect_left(telling, end)]:
            if i < free:
                continue
            if i in begins:
                at = begins[i]
                if state == "against":
                    anew = _after_comma(text, since, i, first=at == clause or found[at - 1] != "against")
                else:
                    anew = state == "spoken of" and (i - since > REACH or any(since <= other < i for other in others))
                state = None if anew else state
                found[at] = state
                free, at, negated_at, fresh = drugs[at].last, at + 1, -9, False
                since = free
                continue
            cue = _cue(text, i)
            if cue is None:
                if swaps and words[i] in ("to", "with", "by", "for") and at > clause:
                    state, swaps = "advised", False
                continue
            effect, size = cue.effect, len(cue.words)
            free = since = i + size
            if i == start and effect == "-":
                left_out = cue.words[0] in OMISSIONS or (
                    words[free : free + 1] != [] and words[free] in GIVING
                )  # "Not giving it would be ..."
            elif left_out and effect == "back-" and not BLAME.isdisjoint(cue.words):
                found[clause:at] = ["advised" for _ in found[clause:at]]
                continue
            if effect == "++" or (effect == "-" and fresh and i - negated_at <= 6 and words[i] in WITHDRAWALS):
                state, negated_at, fresh = "advised", -9, False
            elif effect == "+":
                if i - negated_at > 4 or cue.words[:2] == ("do", "not"):
                    state = "advised"
                    if words[free : free + 1] and words[free] in PRONOUNS and free not in text.stops and clause == at > 0:
                        found[at - 1] = "advised"  # "...; so give it"
                fresh = False
            elif effect in ("-", "back-"):
                if cue.negates and (double := _doubled(words, free, min(free + 3, end), begins)):
                    free = double
                    continue
                if effect == "back-" or cue.words[-1] in PARTICLES:
                    # Looks back at drugs of this clause that nothing was said of; after `but` or a full stop, by a pronoun, further.
                    first = clause
                    if clause == at and not PRONOUNS.isdisjoint(words[max(0, i - 3) : i]):
                        first = last_clause
                        if last_clause < at:
                            found[at - 1] = "against"
                    if effect == "back-" or size > 1:
                        found[first:at] = [s if s == "advised" else "against" for s in found[first:at]]
                if effect == "-" or cue.negates:
                    state, swaps = "against", cue.words[0] in SWAPS
                    negated_at, fresh = (i + size - 1, True) if cue.negates else (-9, False)
            elif effect == "0":
                state = "against" if state == "against" else None
            elif effect == "?":
                if cue.words == ("interacts", "with"):
                    found[clause:at] = [s if s == "advised" else "against" for s in found[clause:at]]
                if state != "against" or cue.words not in (("used",), ("uses",)):
                    state = "spoken of"
            elif effect == "back+":
                found[clause:at] = [s or "advised" for s in found[clause:at]]
                if clause == at > 0 and words[i - 1] in PRONOUNS:
                    found[at - 1] = "advised"
            else:
                last_clause, clause, state, negated_at = (clause if effect == "but" else at), at, None, -9
    return found


def _sentences(text: TokenizedText, drugs: list[Mention], pronouns: list[int]) -> list[int]:
    """Returns the numbers of the sentences in which anything can bear on a drug: those with a drug, and later ones with a pronoun."""
    bounds, first = text.bounds, drugs[0].first
    found = set()
    for drug in drugs:
        number = bisect_right(bounds, drug.first) - 1
        while bounds[number] < drug.last:  # a name may go on over the end of a line
            found.add(number)
            number += 1
    for pronoun in pronouns[bisect_left(pronouns, first - 3) :]:
        number = bisect_right(bounds, pronoun) - 1
        # A look back takes in three words, and may so reach a pronoun at the end of the sentence before.
        while number < len(bounds) - 1 and bounds[number] <= pronoun + 3:
            if bounds[number] > first:
                found.add(number)
            number += 1
    return sorted(found)


def _doubled(words: list[str], first: int, end: int, begins: Mapping[int, int]) -> int:
    """Returns the word after one that a negation turns round (`not contraindicated`), before any drug; 0 where there is none."""
    for i in range(first, end):
        if i in begins:
            return 0
        if words[i] in DOUBLE:
            return i + 1
    return 0


def _after_comma(text: TokenizedText, since: int, drug: int, first: bool) -> bool:
    """Tells whether a drug begins anew after a comma: "no smoking, propranolol", "rather than amlodipine, propranolol"."""
    words = text.words
    if not first and (since != drug or words[max(0, since - 3) : since][:2] not in (["rather", "than"], ["instead", "of"])):
        return False
    if first and (since == drug or words[drug - 1] in _LISTS or words[since] in _LISTS):
        return False
    return _comma_before(text, drug)


def _comma_before(text: TokenizedText, word: int) -> bool:
    return "," in text.text[text.span(word - 1, word)[1] : text.span(word, word + 1)[0]]


_LISTS = frozenset("and or nor as like including especially g e drugs medicines medications agents any all".split())  # noqa: SIM905


def _unsaid(text: TokenizedText, mention: Mention) -> Stance:
    """Says of a drug that no cue reaches whether its sentence states a fact."""
    start, end = text.sentence(mention.first)
    words = text.words[start:end]
    stated = not FACTS.isdisjoint(words) or any(a in ("is", "are") and b in ("a", "an", "one") for a, b in itertools.pairwise(words))
    return "spoken of" if stated else "unclear"


def _cue(text: TokenizedText, i: int) -> Cue | None:
    """Returns the longest cue at a word, none of it beyond the sentence."""
    words = text.words
    known = BY_TWO_WORDS.get(words[i])
    if known is not None:
        longer, single = known
        for cue in longer.get(words[i + 1], ()) if longer and i + 1 < len(words) else ():
            after = i + len(cue.words)
            if words[i + 1 : after] == cue.rest and text.stops.isdisjoint(range(i + 1, after)):
                return cue
        if single is not None:
            return single
    # "take" is an order where a sentence or what follows a comma begins with it, and a history elsewhere.
    if words[i] == "take" and (i in text.stops or words[i - 1] in ("please", "not", "never", "t") or _comma_before(text, i)):
        return _TAKE
    return None


_TAKE = Cue(("take",), [], "+", negates=False)


def _is_bare(text: TokenizedText, mentions: list[Mention], mention: Mention) -> bool:
    """Tells whether a sentence holds nothing but names of drugs, as a short answer does."""
    start, end = text.sentence(mention.first)
    named = {i for m in mentions for i in range(m.first, m.last)}
    return all(i in named or text.words[i] in FILLER or text.words[i][0].isdigit() for i in range(start, end))
