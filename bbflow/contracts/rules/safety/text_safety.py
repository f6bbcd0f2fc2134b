"""What the response advises in words is as safe as what the columns record.

The four rules read the response (see `bbflow.text.drugs.drug_mentions`): drugs by any name the graph knows, negation respected, so that
"avoid warfarin" recommends nothing. English only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from bbflow.contracts.engine.contraindications import contraindications, interactions, renal_contraindications
from bbflow.contracts.engine.patient_context import renal_function
from bbflow.contracts.engine.prompt_context import asks_about_patient, with_prompt
from bbflow.contracts.engine.row import MalformedCell, Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.contracts.rules.safety.dose_within_maximum import dose_limit, patient_conditions
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.doses.dose_units import body_weights
from bbflow.text.drugs.drug_mentions import DrugMention, TextReading, read_drug_stances
from bbflow.text.drugs.unknown_drugs import unknown_drugs
from bbflow.text.lexicon.drug_classes import UNKNOWN, drugs_of
from bbflow.text.tokenization import TokenizedText

_GROUP = "safety of the text"


def _drug_stances(row: Row, graph: KnowledgeGraph, column: str = "response") -> TextReading:
    """Reads a text cell, once for all rules.

    Raises:
        MalformedCell: The cell is no text.
    """
    return row.memo(_read, graph, column)


def _read(row: Row, graph: KnowledgeGraph, column: str) -> TextReading:
    return read_drug_stances(row.words(column), graph)


def _about_a_patient(row: Row) -> bool:
    return row.cell("patient") is not None or asks_about_patient(row)


def _advised(row: Row, graph: KnowledgeGraph, medications: Sequence[str], unclear: str) -> dict[str, DrugMention]:
    """Returns the drugs that the response advises, each where it does so first; what is unclear counts unless the patient takes it.

    Where the row gives no patient, what is unclear passes: too little is known to hold it against the response.
    """
    if row.cell("patient") is None:
        unclear = "pass"
    found: dict[str, DrugMention] = {}
    for advice in _drug_stances(row, graph).drug_mentions:
        if advice.stance == "advised" or (advice.stance == "unclear" and unclear == "refuse" and advice.drug not in medications):
            found.setdefault(advice.drug, advice)
    return found


def _placed(because: Reason, row: Row, graph: KnowledgeGraph, words: tuple[int, int]) -> Reason:
    """Says where in the response a reason was found."""
    return Reason(str(because), "response", _drug_stances(row, graph).text.span(*words), because.edges)


def _of_classes(row: Row, graph: KnowledgeGraph, against: Callable[[str], Sequence[Reason]]) -> Iterator[Reason]:
    """Says of each class of drugs that is advised, and of which each drug has something against it, what the first one has."""
    text, _, _, _, classes = _drug_stances(row, graph)
    for advice in classes:
        found = [against(drug) for drug in drugs_of(graph, advice.drug)] if advice.stance == "advised" else []
        if found and all(found):
            name = graph.name_of(advice.drug) if graph.node(advice.drug).kind == "DrugClass" else " ".join(text.words[slice(*advice.words)])
            said = f"{name}: {found[0][0]}"
            yield _placed(Reason(said, edges=found[0][0].edges), row, graph, advice.words)


@row_rule("response", "patient", when=_about_a_patient, group=_GROUP)
def text_no_contraindicated_drug(
    row: Row,
    graph: KnowledgeGraph,
    *,
    predicates: Sequence[Literal["contraindicated_in", "caution_in"]] = ("contraindicated_in",),
    unclear: Literal["refuse", "pass"] = "refuse",
) -> Iterator[str]:
    """The response advises no drug that the patient's conditions, pregnancy, allergies or renal function forbid.

    Where the prompt asks for a person, the conditions, allergies and renal function that it names count as the patient's. A class of
    drugs that is advised ("give her a beta blocker") counts where all its drugs are forbidden.

    Args:
        row: The row; one about nobody passes, and `fields_of_task` says which tasks must give a patient.
        graph: The graph.
        predicates: Edges that forbid.
        unclear: What becomes of a drug of which it is unclear whether it is advised.
    """
    context = with_prompt(row, graph)
    advised = _advised(row, graph, context.medications, unclear)
    yield from context.unknown
    egfr = context.egfr if (own := renal_function(row)) is None else own
    for drug, advice in advised.items():
        found = [
            *contraindications(graph, drug, context, predicates),
            *(renal_contraindications(graph, drug, egfr) if egfr is not None else ()),
        ]
        yield from (_placed(because, row, graph, advice.words) for because in found)
    yield from _of_classes(row, graph, lambda drug: contraindications(graph, drug, context, predicates))


@row_rule("response", "patient", when=_about_a_patient, group=_GROUP)
def text_no_interacting_pair(
    row: Row, graph: KnowledgeGraph, *, allowed: Sequence[str] = ("minor",), unclear: Literal["refuse", "pass"] = "refuse"
) -> Iterator[str]:
    """The response advises no drug that interacts with another advised one or with the patient's medications.

    Where the prompt asks for a person, the drugs count that it says the person takes; a family of drugs ("a blood thinner") counts where
    all its drugs interact. A class that is advised counts where all its drugs interact with a medication.

    Args:
        row: The row; one about nobody passes.
        graph: The graph.
        allowed: Severities that are let through. Every other one is refused, also an interaction without a severity.
        unclear: What becomes of a drug of which it is unclear whether it is advised.
    """
    context = with_prompt(row, graph)
    advised = _advised(row, graph, context.medications, unclear)
    yield from context.unknown
    names = list(advised)
    for i, drug in enumerate(names):
        others = dict.fromkeys((*names[i + 1 :], *(m for m in context.medications if m not in advised)))
        yield from (_placed(because, row, graph, advised[drug].words) for because in interactions(graph, drug, others, allowed))
    for family in context.families:
        for drug, advice in advised.items():
            found = [tuple(interactions(graph, drug, [member], allowed)) for member in drugs_of(graph, family) if member != drug]
            if found and all(found):
                said = f"{graph.name_of(family)}: {found[0][0]}"
                yield _placed(Reason(said, edges=found[0][0].edges), row, graph, advice.words)
    yield from _of_classes(row, graph, lambda drug: tuple(interactions(graph, drug, context.medications, allowed)))


@row_rule("response", group=_GROUP)
def text_dose_within_maximum(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """A dose that the response gives stays within the graph's daily maximum, unless the response advises against it.

    Grams, milligrams and micrograms are converted; numbers of tablets, `twice daily`, `every 6 hours`, `1-0-1` are counted; a dose without
    a frequency counts once. A dose by body weight (mg/kg) is checked for the heaviest weight of the response, the patient or the prompt.
    One that cannot be read, since there is no weight or no known frequency, is a finding. A drug whose maximum the graph does not know is
    not checked.

    Args:
        row: The row.
        graph: The graph.
    """
    for advice in _drug_stances(row, graph).drug_mentions:
        if advice.stance == "against" or (advice.daily_mg is None and advice.daily_mg_per_kg is None):
            continue
        limit = dose_limit(graph, advice.drug, patient_conditions(row, graph))
        if limit is None:
            continue
        doses = [(advice.daily_mg, advice.dose_words)]
        if advice.daily_mg_per_kg is not None:
            weights = _body_weights(row, graph)
            if weights:
                doses.append((advice.daily_mg_per_kg * max(weights), advice.weighted_words))
            else:
                yield _not_understood(row, graph, advice.weighted_words, "no body weight is given")
        if advice.unread_words[1]:
            yield _not_understood(row, graph, advice.unread_words, "its frequency cannot be read")
        for daily_mg, words in doses:
            if daily_mg is not None and daily_mg > limit.daily * (1 + 1e-6):
                said = f"{graph.name_of(advice.drug)} {daily_mg:g} mg/d exceeds the maximum of {limit.daily:g} mg/d{limit.wording}"
                yield _placed(Reason(said, edges=(limit.edge,)), row, graph, words)


def _not_understood(row: Row, graph: KnowledgeGraph, words: tuple[int, int], why: str) -> Reason:
    """Return the reason of a dose that cannot be read."""
    text = _drug_stances(row, graph).text
    start, end = text.span(*words)
    return _placed(Reason(f"the dose '{text.text[start:end]}' was not understood: {why}"), row, graph, words)


def _body_weights(row: Row, graph: KnowledgeGraph) -> list[float]:
    """Return the body weights in kilograms that the response gives; else those of the patient; else those of the prompt."""
    found = body_weights(_drug_stances(row, graph).text.words)
    patient = row.cell("patient") if row.has("patient") else None
    if not found and isinstance(patient, dict):
        given = [patient.get(key) for key in ("weight", "weight_kg")]
        found = [float(value) for value in given if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0]
    if not found and row.has("messages"):
        try:
            found = body_weights(TokenizedText(row.prompt()).words)
        except MalformedCell:  # which the declared columns report
            return []
    return found


@row_rule("response", group=_GROUP)
def text_drugs_known(row: Row, graph: KnowledgeGraph, *, known: Sequence[str] = ()) -> Iterator[str]:
    """The response names no drug that the graph does not know, for nothing could be checked about it.

    A word counts as a drug where it ends in the stem of an international non-proprietary name (`-pril`, `-floxacin`), where a
    dose follows it, or where it is a drug of the graph but for one letter. A class that the graph does not know (`SSRI`) counts
    where it is advised.

    Args:
        row: The row.
        graph: The graph.
        known: Words that are no drugs, or drugs that you accept unchecked; lower case.
    """
    reading = _drug_stances(row, graph)
    for family in reading.class_mentions:
        if family.drug == UNKNOWN and family.stance == "advised":
            span = reading.text.span(*family.words)
            said = " ".join(reading.text.words[slice(*family.words)])
            if said not in known:
                yield Reason(f"the response advises '{said}', a class of drugs that the graph does not know", "response", span)
    for word, meant, span in unknown_drugs(reading, graph, frozenset(known)):
        near = f" (did you mean '{meant}'?)" if meant else ""
        yield Reason(f"the response names '{word}', which is no drug of the graph{near}", "response", span)
