"""Words of a text that must be drugs and that the graph does not know: by their stem, by a dose after them, or as a misspelt drug."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.doses.dose_words import FORMS
from bbflow.text.doses.numbers import number
from bbflow.text.drugs.drug_mentions import TextReading
from bbflow.text.drugs.stance_cues import stance_cues
from bbflow.text.lexicon.drug_names import drug_names
from bbflow.text.memo import BoundedMemo
from bbflow.text.normalization import name_key
from bbflow.text.units import MASS_WORDS

_STEMS = tuple(
    """
    pril sartan olol dipine statin gliptin gliflozin glitazone cillin cycline floxacin mycin micin conazole prazole tidine
    triptan setron zepam zolam barbital oxetine pramine triptyline tinib parin xaban gatran grel lukast terol profen coxib
    oxicam dronate fibrate thiazide semide lactone glutide gabalin azosin idone apine romycin navir ciclovir tegravir buvir
    mivir olone nidazole
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""Stems of international non-proprietary names (WHO) in which no English word ends."""


def unknown_drugs(reading: TextReading, graph: KnowledgeGraph, known: frozenset[str]) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Yield the words that must be drugs and that the graph does not know, each with the drug that was probably meant, and its characters.

    Args:
        reading: The reading of a text.
        graph: The graph whose drugs are known.
        known: Words that are no drugs or are known by other means.
    """
    text, words = reading.text, reading.text.words
    suspicion = _suspicions(graph).__getitem__
    found = [(i, suspect) for i, word in enumerate(words) if (suspect := suspicion(word))] if any(map(suspicion, words)) else []
    before_doses = [unit - 2 for unit in reading.units if unit >= 2 and words[unit - 2] not in drug_names().everyday_words]
    if not found and not before_doses:
        return
    named = {i for m in reading.mentions for i in range(m.first, m.last)}
    for i, suspect in sorted([*found, *((i, None) for i in before_doses)], key=itemgetter(0)):
        if i in named or not _may_name_a_drug(words[i], known):
            continue
        if suspect is not None:
            yield words[i], suspect.meant, text.span(i, i + 1)
        elif words[i] not in FORMS and i + 1 not in text.stops and number(words[i + 1]) is not None:
            yield words[i], "", text.span(i, i + 1)


def _may_name_a_drug(word: str, known: frozenset[str]) -> bool:
    """Return whether a word can be an unknown drug: long enough, no everyday word, no cue, none that is known otherwise."""
    if len(word) < 3 or not word[0].isalpha() or word in known:
        return False
    return word not in drug_names().short_words and word not in stance_cues().cue_words and not word.endswith(_NO_ENDING)


_NO_ENDING = ("ing", "ed", "ly", "tion", "ment", "ness", "day", "days")
"""Endings that no name of a drug has."""


class _Suspect(NamedTuple):
    """A word that must be a drug: the name that it misspells, or "" where only its stem gives it away."""

    meant: str


@memoize_per_graph
def _suspicions(graph: KnowledgeGraph) -> BoundedMemo[str, _Suspect | None]:
    """Return a memo of words to a suspicion, or to None for the many words without one."""
    misspelt = _Misspelt(graph)

    def suspicion(word: str) -> _Suspect | None:
        if word in MASS_WORDS or len(word) < _SHORTEST_NAME - 1:
            return None
        meant = "" if word in drug_names().everyday_words else misspelt.drug(word)
        has_stem = any(word.endswith(stem) and len(word) > len(stem) + 1 for stem in _STEMS)
        return _Suspect(meant) if meant or has_stem else None

    return BoundedMemo(suspicion, limit=200_000)


_SHORTEST_NAME = 6
"""Letters of the shortest name of which a misspelling can be told from another word."""


class _Misspelt:
    """An index of the drugs of a graph that finds names with one letter left out, added, changed or swapped."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        names = {name_key(name): name for drug in graph.nodes("Drug") for name in (drug.name, *drug.synonyms)}
        self.cuts: dict[str, list[str]] = {}
        for key, name in names.items():
            for cut in (key, *_cuts(key)) if len(key) >= _SHORTEST_NAME else ():
                self.cuts.setdefault(cut, []).append(name)

    def drug(self, word: str) -> str:
        """Return the name of the drug that a word misspells, or ""."""
        near = dict.fromkeys(name for cut in (word, *_cuts(word)) for name in self.cuts.get(cut, ()))
        return next((name for name in near if _one_apart(word, name_key(name))), "")


def _cuts(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]


def _one_apart(word: str, name: str) -> bool:
    """Return whether one letter is left out, added, changed, or swapped with its neighbour.

    >>> _one_apart("warfrin", "warfarin"), _one_apart("wafrarin", "warfarin"), _one_apart("creator", "crestor")
    (True, True, True)
    """
    start = next((i for i, (a, b) in enumerate(zip(word, name, strict=False)) if a != b), min(len(word), len(name)))
    a, b = word[start:], name[start:]
    return a != b and (a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:]))
