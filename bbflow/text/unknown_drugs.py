"""Words of a text that must be drugs and that the graph does not know: by their stem, since a dose follows, or as a drug misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.text.dose_parsing import number
from bbflow.text.drug_stance import TextReading
from bbflow.text.stance_cues import CUES
from bbflow.text.tokenization import name_key
from bbflow.text.units import MASS_WORDS

_STEMS = tuple(
    """
    pril sartan olol dipine statin gliptin gliflozin glitazone cillin cycline floxacin mycin micin conazole prazole tidine
    triptan setron zepam zolam barbital oxetine pramine triptyline tinib parin xaban gatran grel lukast terol profen coxib
    oxicam dronate fibrate thiazide semide lactone glutide gabalin azosin idone apine romycin navir ciclovir tegravir buvir
    mivir olone nidazole
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""Stems of international non-proprietary names (WHO) that English words do not end in."""

_NO_DRUG = frozenset(
    """
    dose doses dosage dosing of give take about maximum minimum than to is are mg with daily day exceed exceeds least most up
    total only the a an at and or by from max over under below above approximately for starting initial single usual low high
    ceiling limit needs between then his her their this that it oral tablet tablets use start prescribe is was be no not them drug
    medication increase increased reduced reduce received gets taking takes took until every into in on as per weekly therefore
    clearly give giving creator within beyond exceeding around roughly nearly almost remaining another additional
    """.split()  # noqa: SIM905 (a list would be a page long)
)


def unknown_drugs(reading: TextReading, graph: KnowledgeGraph, known: frozenset[str]) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Yields words that must be drugs and that the graph does not know, each with the drug that was probably meant, and its characters.

    Args:
        reading: A text, read.
        graph: The graph whose drugs are known.
        known: Words that are no drugs or are known by other means.
    """
    text, words = reading.text, reading.text.words
    suspects = _suspects(graph)
    found = (
        [] if suspects.harmless.issuperset(words) else [(i, meant) for i, word in enumerate(words) if (meant := suspects[word]) is not None]
    )
    before = [unit - 2 for unit in reading.units if unit >= 2 and words[unit - 2] not in _NO_DRUG]  # the word before a dose
    if not found and not before:
        return
    named = {i for m in reading.mentions for i in range(m.first, m.last)}
    for i, meant in sorted([*found, *((i, None) for i in before)], key=itemgetter(0)):
        word = words[i]
        if i in named or len(word) < 4 or word in known or word in CUES or not word[0].isalpha():
            continue
        if meant is not None:
            yield word, meant, text.span(i, i + 1)
        elif i + 1 not in text.stops and number(words[i + 1]) is not None:
            yield word, "", text.span(i, i + 1)


class _Suspects(dict[str, str | None]):
    """A word to the drug that it misspells, "" where only its stem says that it is one, or None where it is neither.

    Attributes:
        harmless: The words that were found to be neither.
    """

    def __init__(self, misspelt: _Misspelt) -> None:
        self.misspelt = misspelt
        self.harmless: set[str] = set(MASS_WORDS)

    def __missing__(self, word: str) -> str | None:
        if len(self) >= _REMEMBERED:
            self.clear()
            self.harmless = set(MASS_WORDS)
        self[word] = meant = self._judge(word)
        if meant is None:
            self.harmless.add(word)
        return meant

    def _judge(self, word: str) -> str | None:
        if word in MASS_WORDS or len(word) < _LONG - 1:
            return None
        meant = "" if word in _NO_DRUG else self.misspelt.drug(word)
        return meant or ("" if any(word.endswith(s) and len(word) > len(s) + 1 for s in _STEMS) else None)


_LONG = 6
"""Letters that a name must have for a misspelling of it to be told from another word."""


class _Misspelt:
    """Finds the drug that a word misspells by one letter left out, added, changed or swapped."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        names = {name_key(name): name for drug in graph.nodes("Drug") for name in (drug.name, *drug.synonyms)}
        self.cuts: dict[str, list[str]] = {}
        for key, name in names.items():
            for cut in (key, *_cuts(key)) if len(key) >= _LONG else ():
                self.cuts.setdefault(cut, []).append(name)

    def drug(self, word: str) -> str:
        """Returns the name of the drug, or nothing."""
        near = dict.fromkeys(name for cut in (word, *_cuts(word)) for name in self.cuts.get(cut, ()))
        return next((name for name in near if _one_apart(word, name_key(name))), "")


def _cuts(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]


def _one_apart(word: str, name: str) -> bool:
    """Tells whether one letter is left out, added, changed, or swapped with its neighbour.

    >>> _one_apart("warfrin", "warfarin"), _one_apart("wafrarin", "warfarin"), _one_apart("creator", "crestor")
    (True, True, True)
    """
    start = next((i for i, (a, b) in enumerate(zip(word, name, strict=False)) if a != b), min(len(word), len(name)))
    a, b = word[start:], name[start:]
    return a != b and (a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:]))


_REMEMBERED = 200_000


@memoize_per_graph
def _suspects(graph: KnowledgeGraph) -> _Suspects:
    return _Suspects(_Misspelt(graph))
