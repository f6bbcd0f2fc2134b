"""Clinical steps come in order, and a red flag is acted on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.row import MalformedCell, Reason, Row, as_texts
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import entity_linker
from bbflow.text.negation import CALM, is_negated
from bbflow.text.normalization import name_key
from bbflow.text.prompt_context import speaks_of_person
from bbflow.text.tokenization import TokenizedText

STEPS = (
    "history", "examination", "escalation", "emergency", "transfer", "differential", "tests", "diagnosis", "treatment", "review",
    "handover", "follow-up",
)  # fmt: skip
"""The clinical workflow, in order."""


@row_rule("workflow", when=lambda row: bool(row.texts("workflow")), group="workflow")
def workflow_in_order(
    row: Row, graph: KnowledgeGraph, *, steps: Sequence[str] = STEPS, required: Sequence[str] = (), in_text: bool = False
) -> Iterator[str]:
    """The steps of a clinical workflow are known, in order, and none that is required is missing.

    Args:
        row: The row; one without a workflow passes, and `fields_of_task` says which tasks must have one.
        graph: The graph.
        steps: All steps, in their order.
        required: Steps that every workflow holds.
        in_text: Whether the response must also name the steps in this order.
    """
    order = {name_key(step): i for i, step in enumerate(steps)}
    given = row.texts("workflow")
    places = []
    for step in given:
        if name_key(step) in order:
            places.append(order[name_key(step)])
        else:
            yield f"'{step}' is no step of the workflow"
    for before, after in itertools.pairwise(places):
        if after == before:
            yield f"the step '{steps[after]}' stands twice"
        elif after < before:
            yield f"the step '{steps[after]}' comes after '{steps[before]}'"
    here = {name_key(step) for step in given}
    yield from (f"the step '{step}' is missing" for step in required if name_key(step) not in here)
    if in_text:
        yield from _in_text(row.text("response"), given)


def _in_text(response: str, steps: list[str]) -> Iterator[str]:
    text, last = TokenizedText(response), -1
    for step in steps:
        words = TokenizedText(step).words
        at = [i for i in range(len(text.words)) if text.words[i : i + len(words)] == words]
        later = [i for i in at if i > last]
        if not at:
            yield f"the response does not name the step '{step}'"
        elif not later:
            yield Reason(f"the response names the step '{step}' too early", "response", text.span(at[0], at[0] + len(words)))
        else:
            last = later[0]


_URGENT = re.compile(
    r"\b(?:emergenc(?:y|ies)|urgent(?:ly)?|immediate(?:ly)?|at once|right away|ambulance|911|112|999|same[- ]day|without delay|stat|"
    r"hospital(?:i[sz]e|i[sz]ed|i[sz]ation)?|admit|admission|refer(?:ral|red)?|escalate|red flag|life[- ]threatening)\b",
    re.IGNORECASE,
)


def _about_a_person(row: Row) -> bool:
    """Return whether a row gives a patient or its prompt speaks of a person; a question in general is neither an emergency nor advice."""
    return row.cell("patient") is not None or speaks_of_person(row.prompt())


@row_rule("messages", "response", "patient", when=_about_a_person, group="workflow")
def red_flag_not_ignored(row: Row, graph: KnowledgeGraph, *, red_flags: Sequence[str] = ()) -> Iterator[str]:
    """Where the question shows a red flag, the response acts on it: emergency, referral, at once.

    Looks at rows that give a patient or whose prompt speaks of a person. Red flags are the nodes that the graph marks
    `red_flag: true` and those that the contract lists. `no chest pain` is none.

    Args:
        row: The row.
        graph: The graph.
        red_flags: Names of findings, in addition to those that the graph marks.
    """
    flags = _shown(row, graph, red_flags)
    response = row.text("response")
    if not flags:
        return
    acts = [m for m in _URGENT.finditer(response) if not CALM.reaches(response, m.start())]
    if not acts:
        yield from (Reason(f"the red flag '{flag}' is not acted on", place, span) for flag, place, span in flags)


def _shown(row: Row, graph: KnowledgeGraph, listed: Sequence[str]) -> list[tuple[str, str, tuple[int, int] | None]]:
    """Return the red flags of a row, each with the place where it is shown."""
    marked, words, begins = _red_flags(graph, tuple(listed))
    found: dict[str, tuple[str, str, tuple[int, int] | None]] = {}
    patient = row.cell("patient")
    if patient is not None and not isinstance(patient, dict):
        raise MalformedCell("'patient' is no object")
    for name in as_texts(patient.get("conditions") or [], "patient.conditions") if patient else ():
        if name_key(name) in words or entity_linker(graph).resolve(name) in marked:
            node = entity_linker(graph).resolve(name)
            found.setdefault(name, (graph.name_of(node) if node else name, "", None))
    for i, text in row.asked():
        for first in [k for k, word in enumerate(text.words) if word in begins]:
            key = ""
            for last in range(first, len(text.words)):
                key += text.words[last]
                if key not in begins:
                    break
                if key in words and not is_negated(text, first):
                    span = text.span(first, last + 1)
                    found.setdefault(key, (words[key], f"messages[{i}]", span))
    return list(found.values())


def _red_flags(graph: KnowledgeGraph, listed: tuple[str, ...]) -> tuple[set[str], dict[str, str], set[str]]:
    """Return the nodes that are red flags, spelling to name, and the beginnings of spellings."""
    key = (graph.sha256, listed)
    if key not in _FLAGS:
        marked = {e.object for e in graph.edges("has_phenotype") if e.attributes.get("red_flag") is True}
        marked |= {e.object for e in graph.edges("has_red_flag")}
        nodes = [n for n in graph.nodes() if n.attributes.get("red_flag") is True or n.id in marked]
        if not nodes and not listed:
            raise ValueError("neither the graph nor the contract names a red flag")
        words = {name_key(name): node.name for node in nodes for name in (node.name, *node.synonyms)}
        words |= {name_key(name): name for name in listed}
        _FLAGS.clear()
        _FLAGS[key] = {n.id for n in nodes}, words, {word[:i] for word in words for i in range(1, len(word) + 1)}
    return _FLAGS[key]


_FLAGS: dict[tuple[str, tuple[str, ...]], tuple[set[str], dict[str, str], set[str]]] = {}
