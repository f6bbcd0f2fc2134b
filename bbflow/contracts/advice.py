"""What a text advises: every drug it mentions, and whether it is advised, advised against, or just spoken of.

Cues are read from left to right, as NegEx does (Chapman 2001): `avoid`, `do not`, `instead of` turn what follows against the drug,
`give`, `start`, `answer:` for it; `is contraindicated`, `should be avoided` look back. A sentence, `but`, `because` and their like
end the reach of a cue. A drug that no cue reaches is spoken of where its sentence states a fact (`causes`, `lowers`, `is a`), and
otherwise it is unclear what is said of it, which no rule may take for harmless. English only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from bbflow.contracts.cues import (
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
from bbflow.contracts.doses import UNITS, daily_dose, front_dose
from bbflow.contracts.names import Mention, names_of
from bbflow.contracts.row import Row
from bbflow.contracts.words import Words
from bbflow.graph.knowledge_graph import KnowledgeGraph

Stance = Literal["advised", "against", "spoken of", "unclear"]


class Advice(NamedTuple):
    """A drug in a text: node id, stance, its words, and the milligrams a day that the text gives (None: no dose), with their words."""

    drug: str
    stance: Stance
    words: tuple[int, int]
    daily_mg: float | None
    dose_words: tuple[int, int]


class Reading(NamedTuple):
    """A text read: its words, the mentions of nodes, what is said of each drug, and of each class of drugs (without doses)."""

    text: Words
    mentions: list[Mention]
    advice: list[Advice]
    classes: list[Advice]


def read(row: Row, graph: KnowledgeGraph, column: str = "response") -> Reading:
    """Reads a text cell, once for all rules.

    Raises:
        Malformed: The cell is no text.
    """
    return row.memo(("reading", column, id(graph)), lambda: read_text(row.text(column), graph))


def read_text(text: str, graph: KnowledgeGraph) -> Reading:
    """Reads a text.

    Args:
        text: English prose.
        graph: The graph whose drugs are looked for.
    """
    words = Words(text)
    mentions = names_of(graph).mentions(words)
    drugs = [(m, drug) for m in mentions if (drug := _drug(m, graph)) is not None]
    classes = _classes(words, mentions, graph)
    if not drugs:
        return Reading(words, mentions, [], classes)
    others = sorted({m.first for m in mentions} - {m.first for m, _ in drugs})
    stances = _stances(words, [m for m, _ in drugs], others)
    units = [i for i, word in enumerate(words.words) if word in UNITS]
    fronts: list[tuple[int, int] | None] = []
    for i, (mention, _) in enumerate(drugs):
        fronts.append(front_dose(words, units, mention.first, drugs[i - 1][0].last if i else 0, bool(i and fronts[i - 1])))
    ends = [front[0] if front else mention.first for (mention, _), front in zip(drugs, fronts, strict=True)]
    advice = []
    for i, (mention, drug) in enumerate(drugs):
        daily, place = daily_dose(words, mention.last, [*ends, len(words.words)][i + 1], mention.first, fronts[i], units)
        stance = stances[i]
        if stance is None:
            stance = "advised" if daily is not None or _is_bare(words, mentions, mention) else _unsaid(words, mention)
        advice.append(Advice(drug, stance, (mention.first, mention.last), daily, place))
    return Reading(words, mentions, advice, classes)


def _classes(words: Words, mentions: list[Mention], graph: KnowledgeGraph) -> list[Advice]:
    found = [(m, node) for m in mentions for node in m.nodes if len(m.nodes) == 1 and graph.node(node).kind == "DrugClass"]
    if not found:
        return []
    stances = _stances(words, [m for m, _ in found], [])
    return [Advice(node, stance or "unclear", (m.first, m.last), None, (0, 0)) for (m, node), stance in zip(found, stances, strict=True)]


def _drug(mention: Mention, graph: KnowledgeGraph) -> str | None:
    drugs = [node for node in mention.nodes if graph.node(node).kind == "Drug"]
    return drugs[0] if len(drugs) == 1 else None


def _stances(text: Words, drugs: list[Mention], others: list[int]) -> list[Stance | None]:
    """Walks over the words once; None where no cue reaches a drug. `others` are the words at which anything but a drug is named."""
    words, found = text.words, [None] * len(drugs)  # type: list[str], list[Stance | None]
    begins = {m.first: k for k, m in enumerate(drugs)}
    clause, at = 0, 0  # first drug of this clause, and the one that comes next
    free = 0
    walked = True
    for start, end, matters in _sentences(text, drugs):
        # Only a pronoun reaches over the end of a sentence: what stands in one without a drug and without a pronoun changes nothing.
        last_clause, clause, walked = (clause if walked else at), at, matters  # `last_clause`: first drug of the clause before
        if not matters:
            continue
        state: Stance | None = None
        left_out = False  # the sentence's subject is that a drug is not given
        negated_at = -9  # word of the last negating particle that no drug followed yet
        since = start  # word after the cue that the state comes from, or after the last drug that it reached
        swaps = fresh = False  # after `switch from`, `to` names the new drug; no drug and no cue followed a negation yet
        for i in [i for i in range(start, end) if words[i] in TELLING or i in begins]:
            if i < free:
                continue
            if i in begins:
                at = begins[i]
                far = i - since > REACH or any(since <= other < i for other in others)
                anew = state == "against" and _after_comma(text, since, i, first=at == clause or found[at - 1] != "against")
                state = None if anew or (state == "spoken of" and far) else state
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
                    if clause == at and any(w in PRONOUNS for w in words[max(0, i - 3) : i]):
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


def _sentences(text: Words, drugs: list[Mention]) -> Iterator[tuple[int, int, bool]]:
    """Yields the first word of each sentence, the one after its last, and whether anything in it can bear on a drug."""
    words = text.words
    pronouns = [i for i, word in enumerate(words) if word in PRONOUNS]
    bounds = sorted({*(s for s in text.stops if s < len(words)), len(words)})
    drug = pronoun = 0  # the first ones that this sentence may hold
    for start, end in itertools.pairwise(bounds):
        while drug < len(drugs) and drugs[drug].last <= start:
            drug += 1
        # A look back takes in three words, and may so reach a pronoun at the end of the sentence before.
        while pronoun < len(pronouns) and pronouns[pronoun] < start - 3:
            pronoun += 1
        here = drug < len(drugs) and drugs[drug].first < end
        yield start, end, here or (start > drugs[0].first and pronoun < len(pronouns) and pronouns[pronoun] < end)


def _doubled(words: list[str], first: int, end: int, begins: Mapping[int, int]) -> int:
    """Returns the word after one that a negation turns round (`not contraindicated`), before any drug; 0 where there is none."""
    for i in range(first, end):
        if i in begins:
            return 0
        if words[i] in DOUBLE:
            return i + 1
    return 0


def _after_comma(text: Words, since: int, drug: int, first: bool) -> bool:
    """Tells whether a drug begins anew after a comma: "no smoking, propranolol", "rather than amlodipine, propranolol"."""
    words = text.words
    if not first and (since != drug or words[max(0, since - 3) : since][:2] not in (["rather", "than"], ["instead", "of"])):
        return False
    if first and (since == drug or words[drug - 1] in _LISTS or words[since] in _LISTS):
        return False
    return "," in text.text[text.span(drug - 1, drug)[1] : text.span(drug, drug + 1)[0]]


_LISTS = frozenset("and or nor as like including especially g e drugs medicines medications agents any all".split())  # noqa: SIM905


def _unsaid(text: Words, mention: Mention) -> Stance:
    """Says of a drug that no cue reaches whether its sentence states a fact."""
    start = max(s for s in text.stops if s <= mention.first)
    end = min((s for s in text.stops if s > mention.first), default=len(text.words))
    words = text.words[start:end]
    stated = not FACTS.isdisjoint(words) or any(a in ("is", "are") and b in ("a", "an", "one") for a, b in itertools.pairwise(words))
    return "spoken of" if stated else "unclear"


def _cue(text: Words, i: int) -> Cue | None:
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
    # "take" is an order where a sentence begins with it, and a history elsewhere.
    if words[i] == "take" and (i in text.stops or words[i - 1] in ("please", "not", "never", "t")):
        return _TAKE
    return None


_TAKE = Cue(("take",), [], "+", negates=False)


def _is_bare(text: Words, mentions: list[Mention], mention: Mention) -> bool:
    """Tells whether a sentence holds nothing but names of drugs, as a short answer does."""
    start = max(s for s in text.stops if s <= mention.first)
    end = min((s for s in text.stops if s > mention.first), default=len(text.words))
    named = {i for m in mentions for i in range(m.first, m.last)}
    return all(i in named or text.words[i] in FILLER or text.words[i][0].isdigit() for i in range(start, end))
