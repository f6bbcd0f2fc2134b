"""The answer follows from the row's own edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bbflow.contracts.engine.row import Row, as_texts
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Triple
from bbflow.text.entity_linking import entity_linker

REFUSAL, YES, NO = "none of these", "yes", "no"
UNSAFE = ("contraindicated_in", "interacts_with")


@row_rule("answer", "edges", "options", "patient", group="truth")
def answer_entailed_by_edges(
    row: Row, graph: KnowledgeGraph, *, refusals: Sequence[str] = (REFUSAL,), computed: Sequence[str] = ()
) -> Iterator[str]:
    """The answer follows from the row's edges.

    An answer that names a node must be in the edges. In a choice for a patient every other option must be proven unsafe
    by an edge that leads from the drug into the patient's context; a refusal and a `no` need the same of every drug offered.
    Edges count only where the graph has them too.

    Args:
        row: The row.
        graph: The graph.
        refusals: Answers that refuse all options.
        computed: Tasks whose answer is worked out from edges and no node of them, such as an amount or an order of steps; there it is
            enough that edges of the graph are given.
    """
    if computed and row.text("task") in computed:
        if not any(graph.has(*edge) for edge in row.triples()):
            yield "the answer is worked out from edges, and none is an edge of the graph"
        return
    answer = fold(row.text("answer"))
    edges = [edge for edge in row.triples() if graph.has(*edge)]
    unsafe = proven_unsafe(edges, patient_nodes(row, graph))
    refused = {fold(refusal) for refusal in refusals}
    others = _others(row, {answer, *refused, YES, NO})
    if answer == NO and not unsafe:
        yield "the answer is no, and no edge proves a drug unsafe"
    elif answer in refused:
        if not others:
            yield "the answer refuses all options, and there are none"
    elif answer == YES:
        if not edges or unsafe:
            yield "the answer is yes, and the edges do not prove it"
    elif answer != NO:
        yield from _unlinked(row.text("answer"), edges, graph)
    if answer in refused or row.cell("patient") is not None:
        yield from (f"no edge proves option '{option}' unsafe" for option in others if entity_linker(graph).resolve(option) not in unsafe)


def _others(row: Row, known: set[str]) -> list[str]:
    """Return the options that are neither the answer nor a fixed one."""
    options = row.cell("options")
    offered = [] if options is None else as_texts(options, "options")
    return [option for option in offered if fold(option) not in known]


def _unlinked(answer: str, edges: Sequence[Triple], graph: KnowledgeGraph) -> Iterator[str]:
    """Yield why an answer is no end of an edge; of several nodes with one name, any may be."""
    candidates = entity_linker(graph).candidates(answer)
    if not candidates:
        yield f"the answer '{answer}' is no node of the graph"
    elif not any(node in (subject, obj) for node in candidates for subject, _, obj in edges):
        yield f"the answer '{answer}' is in none of the edges"


def patient_nodes(row: Row, graph: KnowledgeGraph) -> set[str]:
    """Return the nodes of the patient's context that the graph knows, for edges to lead into."""
    patient = row.cell("patient")
    if not isinstance(patient, dict):
        return set()
    names = [name for key in ("conditions", "medications", "allergies") for name in as_texts(patient.get(key) or [], f"patient.{key}")]
    if patient.get("pregnant"):
        names.append("pregnancy")
    return {node for node in map(entity_linker(graph).resolve, names) if node is not None}


def proven_unsafe(edges: Iterable[Triple], context: set[str]) -> set[str]:
    """Return the drugs that an edge forbids in a context; an interaction forbids whichever end the patient does not take."""
    found = set()
    for subject, predicate, obj in edges:
        if predicate in UNSAFE and obj in context:
            found.add(subject)
        if predicate == "interacts_with" and subject in context:
            found.add(obj)
    return found
