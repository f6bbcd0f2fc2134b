"""The person whom a prompt describes: conditions, allergies and medications of the graph that it names and does not deny. English only.

A question after what to avoid (`Which drug is contraindicated in asthma?`) is no request for advice, and its right answer names the very
drug.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import EntityLinker, Mention, entity_linker
from bbflow.text.lexicon.patient_cues import patient_cues
from bbflow.text.negation import is_negated
from bbflow.text.tokenization import TokenizedText

_PERSON = re.compile(r"\b(?:he|she|his|her|i|my|me|man|woman|boy|girl|child|infant|lady|gentleman|mother|father|\w+-old)\b", re.IGNORECASE)
_PATIENT = re.compile(
    r"\b(?:he|she|his|her|him|man|woman|boy|girl|child|infant|lady|gentleman|\w+-old|i (?:have|am|take|suffer|had)|i'm|i've|"
    r"expecting|g\d+ ?p\d\w*|asthmatic|epileptic|my (?:asthma|allergy|doctor|wife|husband|kidneys?))\b",
    re.IGNORECASE,
)
"""Narrower than `_PERSON`: "I need two members of the class" asks for no one."""
_AGAINST = re.compile(
    r"\b(?:contraindicat\w*|avoid\w*|unsafe|unsuitable|dangerous|risky|harm\w*|worse\w*|not|never|cannot|can't|shouldn't|mustn't|wrong|worst|"
    r"except|interact\w*|side effects?|rule[sd]? out|true|false|stop(?:ped)?|why|explain)\b",
    re.IGNORECASE,
)
_RELATIVES = frozenset("mother father sister brother family son daughter aunt uncle grandmother grandfather parent parents".split())  # noqa: SIM905
_CONDITIONS = ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction")
_LISTS = frozenset("and or plus with mg mcg g daily twice once a day bid tid qd nightly weekly".split())  # noqa: SIM905
"""Words between the drugs of a list."""
_BEFORE, _RELATIVE_BEFORE = 3, 4
"""Words before a name that say how the person is related to it, and whether it is a relative's."""


@dataclass
class PromptContext:
    """The facts that a prompt gives a person.

    Attributes:
        conditions: Node ids of diseases, findings, states and stages of renal function.
        medications: Node ids of the drugs that the person takes.
        allergies: Node ids of allergies, or of the drugs that the person is allergic to.
        families: Node ids of classes of which the person takes a drug: "takes a blood thinner".
        egfr: The lowest glomerular filtration rate, in mL/min; None where no number is given.
    """

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    egfr: float | None = None


def speaks_of_person(text: str) -> bool:
    """Return whether a text speaks of a person at all.

    >>> speaks_of_person("My chest hurts."), speaks_of_person("What is asthma?")
    (True, False)
    """
    return _PERSON.search(text) is not None


def asks_for_patient(text: str) -> bool:
    """Return whether a text asks what a person should be given.

    >>> asks_for_patient("A 40-year-old has asthma. What helps?"), asks_for_patient("What must she avoid?")
    (True, False)
    """
    return _PATIENT.search(text) is not None and _AGAINST.search(text) is None


def read_prompt(texts: Iterable[str | TokenizedText], graph: KnowledgeGraph) -> PromptContext:
    """Read the conditions, allergies and medications that texts give a person; those of relatives are left out.

    Args:
        texts: The user's turns, as they are or cut into words.
        graph: The graph whose nodes are looked for.

    >>> from bbflow.testing import GRAPH
    >>> read_prompt(["He has asthma and no diabetes, and takes Warfarin."], GRAPH).conditions
    ['disease:asthma']
    """
    context = PromptContext()
    linker = entity_linker(graph)
    for prompt in texts:
        text = TokenizedText(prompt) if isinstance(prompt, str) else prompt
        read_phrases(text, linker, context)
        before: Mention | None = None
        role = ""
        for mention in linker.mentions(text):
            joined = (
                before is not None
                and all(w in _LISTS or w[0].isdigit() for w in text.words[before.last : mention.first])
                and text.stops.isdisjoint(range(before.last, mention.first + 1))
            )
            role = (_role(text, mention) or (role if joined else "")) if _is_of_person(text, mention.first) else ""
            before = mention
            if _is_of_person(text, mention.first):
                _note(text, mention, linker, context, role)
    for found in (context.conditions, context.medications, context.allergies, context.families):
        found[:] = dict.fromkeys(found)
    return context


def read_phrases(text: TokenizedText, linker: EntityLinker, context: PromptContext) -> None:
    """Note what a text says of a person in words that the graph does not have: "CHF", "20 weeks pregnant", "eGFR 22"."""
    cues, words = patient_cues(), " ".join(text.words)
    if cues.trigger.isdisjoint(text.words):
        return
    starts = list(itertools.accumulate((len(word) + 1 for word in text.words), initial=0))
    for pattern, names in cues.conditions:
        for match in pattern.finditer(words):
            node = next((n for n in (linker.resolve(name, _CONDITIONS) for name in names) if n), None)
            if node is not None and _is_of_person(text, bisect_right(starts, match.start()) - 1):
                context.conditions.append(node)
    for match in cues.filtration.finditer(words):
        between = text.text[slice(text.span(bisect_right(starts, match.start()) - 1, bisect_right(starts, match.start()))[0], None)]
        number = float(match["rate"].replace(",", ".")) - (0.1 if match["below"] or "<" in between[:25] else 0)
        if 0 <= number <= 250:
            context.egfr = number if context.egfr is None else min(number, context.egfr)


def _is_of_person(text: TokenizedText, word: int) -> bool:
    """Return whether what a word names is neither denied nor a relative's."""
    start = max(text.sentence(word)[0], word - _RELATIVE_BEFORE)
    return not is_negated(text, word) and _RELATIVES.isdisjoint(text.words[start:word])


def _role(text: TokenizedText, mention: Mention) -> str:
    """Return whether the words around a drug or a family say that the person is allergic to it or takes it; "" where they say neither."""
    words, cues = text.words, patient_cues()
    start = max(text.sentence(mention.first)[0], mention.first - _BEFORE)
    before = words[start : mention.first]
    if not cues.allergic.isdisjoint(before) or (
        mention.last < len(words) and mention.last not in text.stops and words[mention.last] in cues.allergic_after
    ):
        return "allergic"
    if not cues.takes.isdisjoint(before):
        return "takes"
    if "take" in before or "use" in before:
        verb = start + next(i for i, word in enumerate(before) if word in ("take", "use"))
        subject = words[max(text.sentence(verb)[0], verb - 2) : verb]
        if not cues.subjects.isdisjoint(subject) and cues.questions.isdisjoint(words[max(0, verb - 3) : verb]):
            return "takes"
    return ""


def _note(text: TokenizedText, mention: Mention, linker: EntityLinker, context: PromptContext, role: str) -> None:
    graph = linker.graph
    nodes = {kind: [n for n in mention.nodes if graph.node(n).kind in kind] for kind in (_CONDITIONS, ("Allergy",), ("Drug", "DrugClass"))}
    conditions, allergies, drugs = nodes.values()
    family = linker.family(text, mention)
    if family:
        if role == "allergic":
            context.allergies.append(family)
        elif graph.node(family).kind == "DrugClass" and (
            role or text.words[mention.first] in patient_cues().participles or text.words[mention.last - 1] in patient_cues().participles
        ):
            context.families.append(family)
    elif len(allergies) == 1:
        context.allergies += allergies
    elif len(conditions) == 1:
        if not _is_a_test(text, mention):
            context.conditions += conditions
    elif len(drugs) == 1 and role == "allergic":
        context.allergies += drugs
    elif len(drugs) == 1 and role == "takes":
        (context.medications if graph.node(drugs[0]).kind == "Drug" else context.families).append(drugs[0])


def _is_a_test(text: TokenizedText, mention: Mention) -> bool:
    """Return whether a condition is the subject of a test without a positive result: "a pregnancy test"."""
    words, (start, end) = text.words, text.sentence(mention.first)
    return mention.last < end and words[mention.last] in ("test", "tests") and "positive" not in words[start:end]
