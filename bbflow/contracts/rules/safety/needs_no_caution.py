"""What a recommended drug needs caution for is not passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from bbflow.contracts.engine.advice import about_a_patient, classes_said, drugs_said, placed
from bbflow.contracts.engine.contraindications import contraindications, interactions, renal_conditions
from bbflow.contracts.engine.patient_context import PatientContext, context_of, recommended_drugs, recommends, renal_function
from bbflow.contracts.engine.prompt_context import with_prompt
from bbflow.contracts.engine.row import Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import CONDITIONS, Weight, edges_against
from bbflow.text.lexicon.drug_classes import drugs_of

_CAUTIONS = tuple(predicate for predicate, weight in CONDITIONS.items() if weight is Weight.CAUTION)
_WATCHES = re.compile(
    r"\b(?:monitor\w*|caution\w*|careful\w*|watch\w*|check\w*|follow[- ]?up|reduced? (?:the )?dose|lower dose|dose reduction|adjust\w*|"
    r"(?:blood |serum )?levels?|close\w* observ\w*|under supervision)\b",
    re.IGNORECASE,
)


_Choice = Literal["quarantine", "require_monitoring", "accept"]


@row_rule("recommended", "patient", "response", when=recommends, group="safety of recommendations")
def needs_no_caution(row: Row, graph: KnowledgeGraph, *, caution: _Choice = "quarantine") -> Iterator[str]:
    """No recommended drug needs caution in the patient, or interacts moderately, unless the contract's owner lets it.

    A caution is neither a ban nor safety (`bbflow.graph.severity`), so that what follows is the owner's decision: with severity
    `warning` the rows that this rule names are set aside.

    Args:
        row: The row; one that recommends nothing passes.
        graph: The graph.
        caution: `quarantine` names every such row; `require_monitoring` only those whose response says nothing of caution, monitoring or
            a lower dose; `accept` none.
    """
    drugs, unknown = recommended_drugs(row, graph)
    context = context_of(row, graph)
    if _lets_through(row, caution):
        return
    yield from (*unknown, *context.unknown)
    yield from (because for _, because in _cautions(graph, [drug for drug, _ in drugs], context, renal_function(row)))


@row_rule("response", "patient", when=about_a_patient, group="safety of the text")
def text_needs_no_caution(row: Row, graph: KnowledgeGraph, *, caution: _Choice = "quarantine") -> Iterator[str]:
    """The response advises no drug that needs caution in the patient, or interacts moderately, unless the contract's owner lets it.

    Where the prompt asks for a person, what it says of the person counts as well.

    Args:
        row: The row; one about nobody passes.
        graph: The graph.
        caution: As for `needs_no_caution`.
    """
    context = with_prompt(row, graph)
    advised = {drug: advice for drug, advice in drugs_said(row, graph, "pass").items() if advice.understood}
    if _lets_through(row, caution):
        return
    egfr = context.egfr if (own := renal_function(row)) is None else own
    for drug, because in _cautions(graph, list(advised), context, egfr):
        yield placed(because, advised[drug])
    for family in context.families:  # "takes a blood thinner"
        for drug, advice in advised.items():
            members = ((drug, [member]) for member in drugs_of(graph, family) if member != drug)
            yield from (placed(because, advice) for because in _of_all(graph, members))
    places = [*context.conditions, *context.medications]
    for advice in classes_said(row, graph).values():  # "give an NSAID"
        if advice.understood:
            members = ((drug, places) for drug in drugs_of(graph, advice.mention.drug))
            yield from (placed(because, advice) for because in _of_all(graph, members))


def _lets_through(row: Row, caution: _Choice) -> bool:
    response = row.text("response")  # a malformed cell fails whatever the owner lets through
    return caution == "accept" or (caution == "require_monitoring" and _WATCHES.search(response) is not None)


def _cautions(graph: KnowledgeGraph, drugs: Sequence[str], context: PatientContext, egfr: float | None) -> Iterator[tuple[str, Reason]]:
    """Yield the drugs that need caution in a patient, each with a reason: conditions, renal function, moderate interactions."""
    renal = [] if egfr is None else renal_conditions(graph, egfr)
    for i, drug in enumerate(drugs):
        found = [because for because in contraindications(graph, drug, context, _CAUTIONS) if _is_caution(because)]
        for node in renal:
            if node not in context.conditions and any(graph.has(drug, predicate, node) for predicate in _CAUTIONS):
                said = f"{graph.name_of(drug)} needs caution in {graph.name_of(node)}, and the eGFR is {egfr:g}"
                found.append(Reason(said, edges=((drug, _CAUTIONS[0], node),)))
        others = dict.fromkeys((*drugs[i + 1 :], *context.medications))
        moderate = [other for weight, (_, _, other) in edges_against(graph, drug, others) if weight is Weight.CAUTION]
        found += interactions(graph, drug, moderate, ())
        yield from ((drug, because) for because in found)


def _of_all(graph: KnowledgeGraph, pairs: Iterable[tuple[str, Sequence[str]]]) -> Iterator[Reason]:
    """Yield one reason where every drug of a class has something against it, and for some it is a caution."""
    found = [list(edges_against(graph, drug, places)) for drug, places in pairs]
    cautions = [edge for edges in found for weight, edge in edges if weight is Weight.CAUTION]
    if cautions and all(any(weight in (Weight.FORBIDS, Weight.CAUTION) for weight, _ in edges) for edges in found):
        drug, predicate, node = cautions[0]
        yield Reason(
            f"{graph.name_of(drug)} {predicate} {graph.name_of(node)}, and something speaks against each drug of the class",
            edges=(cautions[0],),
        )


def _is_caution(because: Reason) -> bool:
    """Return whether a reason is a caution, and no allergy that is looked up along the way."""
    return bool(because.edges) and because.edges[-1][1] in _CAUTIONS
