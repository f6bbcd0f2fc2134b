"""The person whom a prompt describes: conditions, allergies and medications of the graph that it names and does not deny. English only.

A question after what to avoid (`Which drug is contraindicated in asthma?`) is no request for advice, and its right answer names the very
drug.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import Mention, entity_linker
from bbflow.text.negation import is_negated
from bbflow.text.tokenization import TokenizedText

_PERSON = re.compile(r"\b(?:he|she|his|her|i|my|me|man|woman|boy|girl|child|infant|lady|gentleman|mother|father|\w+-old)\b", re.IGNORECASE)
_PATIENT = re.compile(
    r"\b(?:he|she|his|her|him|man|woman|boy|girl|child|infant|lady|gentleman|\w+-old|i (?:have|am|take|suffer|had)|i'm|i've)\b",
    re.IGNORECASE,
)
"""Narrower than `_PERSON`: "I need two members of the class" asks for no one."""
_AGAINST = re.compile(
    r"\b(?:contraindicat\w*|avoid\w*|unsafe|unsuitable|dangerous|risky|harm\w*|worse\w*|not|never|cannot|can't|shouldn't|mustn't|wrong|worst|"
    r"except|interact\w*|side effects?|rule[sd]? out|true|false|stop(?:ped)?|why|explain)\b",
    re.IGNORECASE,
)
_RELATIVES = frozenset("mother father sister brother family son daughter aunt uncle grandmother grandfather parent parents".split())  # noqa: SIM905
_TAKES = {"takes", "taking", "on", "took", "uses", "using"}
_ALLERGIC = {"allergic", "allergy"}
_CONDITIONS = ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction")
_BEFORE, _RELATIVE_BEFORE = 3, 4
"""Words before a name that say how the person is related to it, and whether it is a relative's."""


@dataclass
class PromptContext:
    """Node ids of the conditions, medications and allergies that a prompt gives a person."""

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)


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


def read_prompt(texts: Iterable[str], graph: KnowledgeGraph) -> PromptContext:
    """Read the conditions, allergies and medications that texts give a person; those of relatives are left out.

    Args:
        texts: The user's turns.
        graph: The graph whose nodes are looked for.

    >>> from bbflow.testing import GRAPH
    >>> read_prompt(["He has asthma and no diabetes, and takes Warfarin."], GRAPH).conditions
    ['disease:asthma']
    """
    context = PromptContext()
    for prompt in texts:
        text = TokenizedText(prompt)
        for mention in entity_linker(graph).mentions(text):
            start = max(text.sentence(mention.first)[0], mention.first - _RELATIVE_BEFORE)
            if not is_negated(text, mention.first) and _RELATIVES.isdisjoint(text.words[start : mention.first]):
                _note(text, mention, graph, context)
    return context


def _note(text: TokenizedText, mention: Mention, graph: KnowledgeGraph, context: PromptContext) -> None:
    before = text.words[max(0, mention.first - _BEFORE) : mention.first]
    allergic = not _ALLERGIC.isdisjoint(before)
    nodes = {kind: [n for n in mention.nodes if graph.node(n).kind in kind] for kind in (_CONDITIONS, ("Allergy",), ("Drug", "DrugClass"))}
    conditions, allergies, drugs = nodes.values()
    family = entity_linker(graph).family(text, mention)
    if family and allergic:
        context.allergies.append(family)
    elif len(allergies) == 1:
        context.allergies += allergies
    elif len(conditions) == 1:
        context.conditions += conditions
    elif len(drugs) == 1 and allergic:
        context.allergies += drugs
    elif len(drugs) == 1 and graph.node(drugs[0]).kind == "Drug" and not _TAKES.isdisjoint(before):
        context.medications += drugs
