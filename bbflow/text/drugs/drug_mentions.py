"""The drugs that a text names, each with its stance: advised, advised against, spoken of, or unclear.

`bbflow.text.drugs.stance_reader` reads the stance from cues: `avoid`, `do not`, `instead of` turn what follows against the drug, `give`,
`start`, `answer:` for it; `is contraindicated`, `should be avoided` look back. A drug that no cue reaches is spoken of where its
sentence states a fact (`causes`, `lowers`, `is a`); otherwise its stance is unclear, which no rule may take for harmless. English
only.
"""

from __future__ import annotations

import itertools
from operator import attrgetter
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.doses.dose_parsing import daily_dose, front_dose
from bbflow.text.doses.dose_units import dose_units
from bbflow.text.doses.numbers import number
from bbflow.text.drugs.stance_cues import StanceCues, stance_cues
from bbflow.text.drugs.stance_reader import Stance, StanceReader
from bbflow.text.entity_linking import EntityLinker, Mention, entity_linker
from bbflow.text.memo import BoundedMemo
from bbflow.text.tokenization import TokenizedText
from bbflow.text.units import MASS_WORDS


class DrugMention(NamedTuple):
    """A drug or a class of drugs in a text.

    Attributes:
        drug: Node id of the drug; for a class of drugs, of the class or of the allergy that defines it, or `UNKNOWN`.
        stance: The stance of the text towards it.
        words: Its words, first and end (exclusive).
        daily_mg: The dose that the text gives, in milligrams a day; None where it gives none.
        dose_words: The words of the dose, first and end (exclusive).
        daily_mg_per_kg: The dose by body weight, in milligrams a day and kilogram; None where it gives none.
        weighted_words: The words of that dose.
        unread_words: The words of a dose whose frequency cannot be read; (0, 0) where there is none.
    """

    drug: str
    stance: Stance
    words: tuple[int, int]
    daily_mg: float | None
    dose_words: tuple[int, int]
    daily_mg_per_kg: float | None = None
    weighted_words: tuple[int, int] = (0, 0)
    unread_words: tuple[int, int] = (0, 0)


class TextReading(NamedTuple):
    """The result of reading a text.

    Attributes:
        text: The text, cut into words.
        units: The words that are units of doses.
        mentions: The mentions of nodes of the graph and of classes of drugs.
        drug_mentions: The drugs, each with its stance.
        class_mentions: The classes of drugs, and the drugs that the graph does not have under their class, each with its stance.
    """

    text: TokenizedText
    units: list[int]
    mentions: list[Mention]
    drug_mentions: list[DrugMention]
    class_mentions: list[DrugMention]


class _Candidates(NamedTuple):
    """The words of a text that can begin a name or a cue, and those that are units of doses or pronouns, each in order."""

    names: list[int]
    units: list[int]
    cues: list[int]
    pronouns: list[int]


def read_drug_stances(text: str | TokenizedText, graph: KnowledgeGraph, cues: StanceCues | None = None) -> TextReading:
    """Return the drugs and the classes of drugs that a text names, with their stances and doses.

    Args:
        text: English prose, as it is or cut into words.
        graph: The graph whose drugs are looked for.
        cues: The cues; None for those of the package.
    """
    cues = stance_cues() if cues is None else cues
    words = TokenizedText(text) if isinstance(text, str) else text
    linker = entity_linker(graph)
    candidates = _candidates(words, _word_kinds(graph, cues))
    mentions = _with_dosed_names(linker.mentions(words, candidates.names), words, candidates.units, linker)
    drugs, classes = list[tuple[Mention, str]](), list[tuple[Mention, str]]()
    meanings = _meanings(graph)
    for i, mention in enumerate(mentions):
        kind, node = meanings[mention.nodes]
        if kind == "Drug":
            mentions[i] = whole = linker.with_salts(words, mention)
            drugs.append((whole, node))
        elif kind == "DrugClass":
            classes.append((mention, node))
        elif (family := linker.family(words, mention)) is not None or (family := linker.other_drug(words, mention)) is not None:
            classes.append((mention, family))
    class_mentions = _class_mentions(words, classes, [m.first for m, _ in drugs], mentions, candidates, cues) if classes else []
    bounds = [mention.first for mention, _ in classes if linker.other_drug(words, mention) is not None]
    drug_mentions = _drug_mentions(words, drugs, mentions, candidates, cues, bounds) if drugs else []
    return TextReading(words, candidates.units, mentions, drug_mentions, class_mentions)


def _with_dosed_names(mentions: list[Mention], text: TokenizedText, units: list[int], linker: EntityLinker) -> list[Mention]:
    """Return the mentions with the names that mean a drug only where a dose follows: "Li 300 mg"."""
    dosed = [u - 2 for u in units if u >= 2 and text.words[u - 2] in linker.dosed and number(text.words[u - 1]) is not None]
    found = [Mention((linker.dosed[text.words[i]],), i, i + 1) for i in dosed if not {i + 1, i + 2} & text.stops]
    return sorted({*mentions, *found}, key=attrgetter("first")) if found else mentions


_NAME, _UNIT, _CUE, _PRONOUN = 1, 2, 4, 8


@memoize_per_graph
def _word_kinds(graph: KnowledgeGraph, cues: StanceCues) -> BoundedMemo[str, int]:
    """Return a memo of what a word can be, as a sum of `_NAME`, `_UNIT`, `_CUE` and `_PRONOUN`; 0 for most words."""
    names, first_words, pronouns = entity_linker(graph).longest, cues.first_words, cues.words.pronouns

    def kind(word: str) -> int:
        return _NAME * (word in names) | _UNIT * (word in MASS_WORDS) | _CUE * (word in first_words) | _PRONOUN * (word in pronouns)

    return BoundedMemo(kind)


def _candidates(text: TokenizedText, kinds: BoundedMemo[str, int]) -> _Candidates:
    names, units, cues, pronouns = list[int](), list[int](), list[int](), list[int]()
    for i, kind in enumerate(map(kinds.__getitem__, text.words)):
        if kind:  # as for every third word
            if kind & _NAME:
                names.append(i)
            if kind & _CUE:
                cues.append(i)
            if kind & _UNIT:
                units.append(i)
            if kind & _PRONOUN:
                pronouns.append(i)
    return _Candidates(names, dose_units(text.words, units) if units else units, cues, pronouns)


@memoize_per_graph
def _meanings(graph: KnowledgeGraph) -> BoundedMemo[tuple[str, ...], tuple[str, str]]:
    """Return a memo of the nodes of a name: to `Drug` or `DrugClass` and the node that is meant, or to ("", "")."""
    kinds = {node.id: node.kind for node in graph.nodes()}

    def meaning(nodes: tuple[str, ...]) -> tuple[str, str]:
        drugs = [node for node in nodes if kinds[node] == "Drug"]
        if len(drugs) == 1:
            return "Drug", drugs[0]
        return ("DrugClass", nodes[0]) if len(nodes) == 1 and kinds[nodes[0]] == "DrugClass" else ("", "")

    return BoundedMemo(meaning)


def _class_mentions(
    text: TokenizedText,
    classes: list[tuple[Mention, str]],
    drugs: list[int],
    mentions: list[Mention],
    candidates: _Candidates,
    cues: StanceCues,
) -> list[DrugMention]:
    stances = StanceReader(text, [m for m, _ in classes], [], candidates.cues, candidates.pronouns, cues, drugs).stances()
    found = []
    for (mention, node), stance in zip(classes, stances, strict=True):
        if stance is None:
            stance = "advised" if _is_short_answer(text, mentions, mention, cues) else _stance_without_cue(text, mention, cues)
        found.append(DrugMention(node, stance, (mention.first, mention.last), None, (0, 0)))
    return found


def _drug_mentions(
    text: TokenizedText,
    drugs: list[tuple[Mention, str]],
    mentions: list[Mention],
    candidates: _Candidates,
    cues: StanceCues,
    bounds: list[int],
) -> list[DrugMention]:
    named = {m.first for m, _ in drugs}
    others = [m.first for m in mentions if m.first not in named]
    stances = StanceReader(text, [m for m, _ in drugs], others, candidates.cues, candidates.pronouns, cues).stances()
    fronts: list[tuple[int, int] | None] = []
    for i, (mention, _) in enumerate(drugs):
        previous_end = drugs[i - 1][0].last if i else 0
        fronts.append(front_dose(text, candidates.units, mention.first, previous_end, bool(i and fronts[i - 1])))
    ends = [*(front[0] if front else mention.first for (mention, _), front in zip(drugs, fronts, strict=True)), len(text.words)]
    found = []
    for i, (mention, drug) in enumerate(drugs):
        end = next((bound for bound in bounds if mention.last <= bound < ends[i + 1]), ends[i + 1])  # a dose behind another drug is its own
        dose = daily_dose(text, mention.last, end, mention.first, fronts[i], candidates.units)
        stance = stances[i]
        if stance is None:
            answers = dose.daily_mg is not None or dose.daily_mg_per_kg is not None or _is_short_answer(text, mentions, mention, cues)
            stance = "advised" if answers else _stance_without_cue(text, mention, cues)
        found.append(DrugMention(drug, stance, (mention.first, mention.last), *dose))
    return found


def _stance_without_cue(text: TokenizedText, mention: Mention, cues: StanceCues) -> Stance:
    """Return the stance of a drug that no cue reaches: spoken of if its sentence states a fact, else unclear."""
    start, end = text.sentence(mention.first)
    words = text.words[start:end]
    states = not cues.words.facts.isdisjoint(words)
    defines = any(a in ("is", "are") and b in ("a", "an", "one") for a, b in itertools.pairwise(words))
    return "spoken of" if states or defines else "unclear"


def is_short_answer(reading: TextReading, mention: DrugMention) -> bool:
    """Return whether the sentence of a drug consists of names, numbers and fillers alone: "Answer: amlodipine"."""
    return _is_short_answer(reading.text, reading.mentions, Mention((), *mention.words), stance_cues())


def _is_short_answer(text: TokenizedText, mentions: list[Mention], mention: Mention, cues: StanceCues) -> bool:
    """Return whether the sentence of a mention consists of names, numbers and fillers alone."""
    start, end = text.sentence(mention.first)
    named = {i for m in mentions for i in range(m.first, m.last)}
    fillers = cues.words.fillers
    return all(i in named or text.words[i] in fillers or text.words[i][0].isdigit() for i in range(start, end))
