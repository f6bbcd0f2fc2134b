"""The solver: answers an item's question from the graph alone and rejects every item whose answer or proof does not hold.

It is independent of the tasks that build items: no task imports it, and it imports no task and none of their look-ups
(`patients.py`, `proof_paths.py`, `distractors.py`, `sense/`). Both share the graph and the records of items alone. It sees the query, the
options and the claimed proof, and derives the answer again by set semantics. It reads no text either, so that no mistake of
`bbflow.text` can pass here. An accepted item is provable; `rejection_reasons` lists the reasons against any other.

The other kinds of question (`bbflow/synthesis/questions/`) prove themselves by `objections` in the same way. One exception: a workflow
is checked with the reader of machine files that also drew it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import Weight, edges_against
from bbflow.records import Triple
from bbflow.synthesis.items.clinical_solver import clinical_objections, shared_purposes
from bbflow.synthesis.items.item import NO, NONE_OF_THESE, YES, Item, Prescription, Question, Walk

Verdict = Literal["safe", "unsafe", "unknown"]


def answers_of(graph: KnowledgeGraph, walk: Walk) -> set[str]:
    """Return every node in which a walk can end, breadth first; a walk does not return to a node."""
    paths: list[tuple[str, ...]] = [(walk.start,)]
    for predicate, forward in walk.steps:
        step = graph.objects if forward else (lambda node, p: graph.subjects(p, node))
        paths = [(*path, node) for path in paths for node in step(path[-1], predicate) if node not in path]
    return {path[-1] for path in paths}


def violations(graph: KnowledgeGraph, drug: str, context: tuple[str, ...]) -> list[Triple]:
    """Return the edges that forbid a drug to a patient (`bbflow.graph.severity`)."""
    return [edge for weight, edge in edges_against(graph, drug, context) if weight is Weight.FORBIDS]


def safety(graph: KnowledgeGraph, drug: str, disease: str, context: tuple[str, ...]) -> Verdict:
    """Judge a drug for a patient.

    Unsafe needs an edge that forbids it. Safe needs that the drug treats the disease, and for every node of the context
    that the graph has complete coverage, that the node is not the drug itself, and that no edge but a negligible one speaks against
    the drug. Everything else is unknown: a missing edge is not safety, and neither is a caution.
    """
    weights = {weight for weight, _ in edges_against(graph, drug, (disease, *context))}
    if Weight.FORBIDS in weights:
        return "unsafe"
    judged = graph.has(drug, "treats", disease) and all(node != drug and graph.covers(drug, node) for node in context)
    return "safe" if judged and weights <= {Weight.NEGLIGIBLE} else "unknown"


def rejection_reasons(graph: KnowledgeGraph, item: Item) -> Iterator[str]:
    """Yield every reason why an item must not be used; none means that it is proven."""
    for edge in item.edges:
        if not graph.has(*edge):
            yield f"the proof names {' '.join(edge)}, which is no edge"
    if item.options is not None and len(set(item.options)) != len(item.options):
        yield "an option stands twice"
    if isinstance(item.query, Walk):
        yield from _walk_objections(graph, item, item.query)
    elif isinstance(item.query, Question):
        yield from item.query.objections(graph, item)
    else:
        yield from _prescription_objections(graph, item, item.query)
    yield from clinical_objections(graph, item)
    yield from _evidence_objections(graph, item)
    yield from _name_objections(graph, item)


def _name_objections(graph: KnowledgeGraph, item: Item) -> Iterator[str]:
    """Reject names that several nodes share, because in text they have no single meaning."""
    if graph.ambiguous:
        query = item.query
        asked = (
            (query.start,)
            if isinstance(query, Walk)
            else query.entities
            if isinstance(query, Question)
            else (query.disease, *query.context)
        )
        named = {*asked, item.gold, *(item.options or ()), *(node for edge in (*item.edges, *item.evidence) for node in (edge[0], edge[2]))}
        if shared := sorted(named & graph.ambiguous):
            yield f"a name means several nodes: {', '.join(map(graph.name_of, shared))}"


def _evidence_objections(graph: KnowledgeGraph, item: Item) -> Iterator[str]:
    """Check that the evidence is true and contains the whole proof."""
    for edge in item.evidence:
        if not graph.has(*edge):
            yield f"the evidence tells {' '.join(edge)}, which is no edge"
    if item.evidence and not set(item.edges) <= set(item.evidence):
        yield "the evidence lacks a step of the proof"


def _walk_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    answers = answers_of(graph, walk)
    if item.gold not in answers:
        yield f"{item.gold} does not answer the question"
    if item.options is not None:
        right = answers.intersection(item.options)
        if right != {item.gold}:
            yield f"not exactly one option is right: {sorted(right)}"
    elif set(item.accepted) != answers:
        yield "the accepted answers are not the ones the graph gives"
    elif item.count > len(answers):
        yield f"the question wants {item.count} answers and there are {len(answers)}"
    if walk.start in (item.options or ()):
        yield "what the question asks about is an option"
    if walk.steps:
        yield from _proof_objections(item, walk)


def _proof_objections(item: Item, walk: Walk) -> Iterator[str]:
    """Check that the proof leads from the start to the gold, one edge a step; if several answers are wanted, once to each."""
    length = len(walk.steps)
    if len(item.edges) != item.count * length:
        yield "the proof has another length than the walk"
        return
    ends: list[str] = []
    for at in range(0, len(item.edges), length):
        yield from _path_objections(walk, item.edges[at : at + length], ends)
    if len(ends) == item.count and (ends[0] != item.gold or len(set(ends)) < len(ends)):
        yield "the proof does not end in the answer"


def _path_objections(walk: Walk, edges: tuple[Triple, ...], ends: list[str]) -> Iterator[str]:
    """Follow one path and append its end to `ends`."""
    here = walk.start
    for (predicate, forward), (subject, named, obj) in zip(walk.steps, edges, strict=True):
        source, target = (subject, obj) if forward else (obj, subject)
        if predicate == "interacts_with" and target == here:
            source, target = target, source
        if named != predicate or source != here:
            yield f"the proof breaks at {subject} {named} {obj}"
            return
        here = target
    ends.append(here)


def _prescription_objections(graph: KnowledgeGraph, item: Item, query: Prescription) -> Iterator[str]:
    if not shared_purposes(graph, query.candidates, query.disease):
        yield "the candidates share no purpose"
    verdicts = {drug: safety(graph, drug, query.disease, query.context) for drug in query.candidates}
    unknown = [drug for drug, verdict in verdicts.items() if verdict == "unknown"]
    if unknown:
        yield f"the graph cannot judge {', '.join(unknown)}"
    safe = [drug for drug, verdict in verdicts.items() if verdict == "safe"]
    if len(query.candidates) == 1:
        right = YES if safe else NO
    elif len(safe) > 1:
        yield f"more than one option is safe: {', '.join(safe)}"
        return
    else:
        right = safe[0] if safe else NONE_OF_THESE
    if item.gold != right:
        yield f"the answer is {right}, not {item.gold}"
    expected = {YES, NO} if len(query.candidates) == 1 else {*query.candidates, NONE_OF_THESE}
    if set(item.options or ()) != expected:
        yield "the options are not the candidates"
    yield from _reason_objections(graph, item, query, verdicts)


def _reason_objections(graph: KnowledgeGraph, item: Item, query: Prescription, verdicts: dict[str, Verdict]) -> Iterator[str]:
    """Check that the proof gives one reason for each candidate."""
    context = (query.disease, *query.context)
    for drug, verdict in verdicts.items():
        reasons = violations(graph, drug, context) if verdict == "unsafe" else [(drug, "treats", query.disease)]
        if len([edge for edge in item.edges if edge in reasons]) != 1:
            yield f"the proof does not give exactly one reason for {drug}"
    if len(item.edges) != len(verdicts):
        yield "the proof has another length than the number of candidates"
