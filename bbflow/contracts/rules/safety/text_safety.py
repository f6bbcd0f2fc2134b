"""What the texts of a row advise in words is as safe as what the columns record.

The rules read the response and every earlier turn of the assistant (see `bbflow.text.drugs.drug_mentions`): drugs by any name the graph
knows, negation respected, so that "avoid warfarin" recommends nothing. A row passes only where its drugs, doses and patient were
understood; where they were not, it is set aside with the words that were not read. English only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from bbflow.contracts.engine.advice import (
    Advice,
    Unclear,
    about_a_patient,
    classes_said,
    drugs_said,
    placed,
    readings,
    unnamed_drugs,
    unreadable_texts,
)
from bbflow.contracts.engine.contraindications import NOT_TOGETHER, contraindications, duplicates, interactions, renal_contraindications
from bbflow.contracts.engine.patient_context import PatientContext, renal_function
from bbflow.contracts.engine.prompt_context import with_prompt
from bbflow.contracts.engine.row import Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import FORBIDDING, NOT_FORBIDDING
from bbflow.text.drugs.unknown_drugs import unknown_drugs
from bbflow.text.entity_linking import Mention, entity_linker
from bbflow.text.lexicon.drug_classes import UNKNOWN, drugs_of

_GROUP = "safety of the text"


def _of_classes(row: Row, graph: KnowledgeGraph, against: Callable[[str], Sequence[Reason]]) -> Iterator[Reason]:
    """Say of each class of drugs that is advised, and of which each drug has something against it, what the first one has."""
    for advice in classes_said(row, graph).values():
        drug_class = advice.mention.drug
        found = [against(drug) for drug in drugs_of(graph, drug_class)]
        if found and all(found) and not advice.is_safely_dismissed():
            name = graph.name_of(drug_class) if graph.node(drug_class).kind == "DrugClass" else advice.said().lower()
            yield placed(Reason(f"{name}: {found[0][0]}", edges=found[0][0].edges), advice)


@row_rule("response", "patient", when=about_a_patient, group=_GROUP)
def text_no_contraindicated_drug(
    row: Row,
    graph: KnowledgeGraph,
    *,
    predicates: Sequence[Literal["contraindicated_in", "caution_in"]] = FORBIDDING,
    unclear: Unclear = "set_aside",
) -> Iterator[str]:
    """The response advises no drug that the patient's conditions, pregnancy, allergies or renal function forbid.

    Where the prompt asks for a person, the conditions, allergies and renal function that it names count as the patient's. A class of
    drugs that is advised ("give her a beta blocker") counts where all its drugs are forbidden.

    Args:
        row: The row; one about nobody passes, and `fields_of_task` says which tasks must give a patient.
        graph: The graph.
        predicates: Edges that forbid.
        unclear: What becomes of a row whose drug may be forbidden, where it is unclear whether the drug is advised.
    """
    context = with_prompt(row, graph)
    yield from _unknown(context.unknown)
    egfr = context.egfr if (own := renal_function(row)) is None else own
    for drug, advice in drugs_said(row, graph, unclear).items():
        found = [
            *contraindications(graph, drug, context, predicates),
            *(renal_contraindications(graph, drug, egfr) if egfr is not None else ()),
        ]
        found = found or list(_by_unclear_facts(graph, drug, context, predicates))
        if found and not advice.is_safely_dismissed():
            yield from (placed(because, advice) for because in found)
    yield from _of_classes(row, graph, lambda drug: contraindications(graph, drug, context, predicates))
    for drug in unnamed_drugs(row, graph):
        found = [*contraindications(graph, drug, context, predicates), *_by_unclear_facts(graph, drug, context, predicates)]
        yield from (_of_unnamed(graph, drug, because) for because in found)
        if egfr is not None:
            yield from (_of_unnamed(graph, drug, because) for because in renal_contraindications(graph, drug, egfr))


def _of_unnamed(graph: KnowledgeGraph, drug: str, because: Reason) -> Reason:
    said = f"it is not understood what the response says of {graph.name_of(drug)}, which the prompt names: {because}"
    return Reason(said, edges=because.edges, understood=False)


def _by_unclear_facts(graph: KnowledgeGraph, drug: str, context: PatientContext, predicates: Sequence[str]) -> Iterator[Reason]:
    """Yield what speaks against a drug if a fact of the prompt that was not understood is the patient's."""
    unclear = context.unclear
    for node in (*unclear.conditions, *unclear.allergies):
        alone = PatientContext(conditions=[node]) if node in unclear.conditions else PatientContext(allergies=[node])
        for because in contraindications(graph, drug, alone, predicates):
            said = f"'{context.words.get(node, graph.name_of(node))}' of the prompt is not understood; if it is the patient's, {because}"
            yield Reason(said, edges=because.edges, understood=False)
    for because in renal_contraindications(graph, drug, unclear.egfr) if unclear.egfr is not None else ():
        said = f"it is not understood whose eGFR the prompt gives; if it is the patient's, {because}"
        yield Reason(said, edges=because.edges, understood=False)


def _unknown(reasons: Sequence[str]) -> Iterator[Reason]:
    """Yield the facts of the patient that were not understood."""
    yield from (Reason(f"not understood: {reason}", understood=False) for reason in reasons)


@row_rule("response", "patient", when=about_a_patient, group=_GROUP)
def text_no_interacting_pair(
    row: Row,
    graph: KnowledgeGraph,
    *,
    allowed: Sequence[str] = NOT_FORBIDDING,
    not_together: Sequence[str] = NOT_TOGETHER,
    unclear: Unclear = "set_aside",
) -> Iterator[str]:
    """The response advises no drug that interacts with another advised one or with the patient's medications.

    Where the prompt asks for a person, the drugs count that it says the person takes; a family of drugs ("a blood thinner") counts where
    all its drugs interact. A class that is advised counts where all its drugs interact with a medication. Of a medication that the response
    speaks against it is not understood whether the person goes on with it.

    Args:
        row: The row; one about nobody passes.
        graph: The graph.
        allowed: Severities that are let through, by default those that forbid nothing (`bbflow.graph.severity`). Every other one is
            refused, also an interaction without a severity.
        not_together: Classes of which two drugs are one too many: duplicate therapy.
        unclear: What becomes of a row whose drug may interact, where it is unclear whether the drug is advised.
    """
    context = with_prompt(row, graph)
    yield from _unknown(context.unknown)
    drugs = drugs_said(row, graph, unclear)
    for (drug, advice), (other, against) in itertools.combinations(drugs.items(), 2):
        for because in (*interactions(graph, drug, [other], allowed), *duplicates(graph, drug, [other], not_together)):
            if _may_both_be_taken(advice, drug in context.medications, against, other in context.medications):
                yield placed(because, *_doubtful(advice, drug in context.medications, against, other in context.medications))
    for drug, advice in drugs.items():
        for other in dict.fromkeys((*context.medications, *context.unclear.medications)):
            if other in drugs or other == drug:
                continue
            for because in (*interactions(graph, drug, [other], allowed), *duplicates(graph, drug, [other], not_together)):
                if not advice.is_safely_dismissed():
                    yield placed(because if other in context.medications else _of_unclear(because, other, context), advice)
        for family in context.families:
            found = [tuple(interactions(graph, drug, [member], allowed)) for member in drugs_of(graph, family) if member != drug]
            if found and all(found) and not advice.is_safely_dismissed():
                yield placed(Reason(f"{graph.name_of(family)}: {found[0][0]}", edges=found[0][0].edges), advice)
    yield from _of_classes(row, graph, lambda drug: tuple(interactions(graph, drug, context.medications, allowed)))
    for drug, other in itertools.combinations(dict.fromkeys((*unnamed_drugs(row, graph), *context.medications)), 2):
        if drug in unnamed_drugs(row, graph):
            yield from (_of_unnamed(graph, drug, because) for because in interactions(graph, drug, [other], allowed))


def _may_both_be_taken(advice: Advice, taken: bool, other: Advice, other_taken: bool) -> bool:
    """Return whether two drugs may be taken together, one of them on the advice of the text."""
    if advice.is_safely_dismissed() or other.is_safely_dismissed():
        return bool(taken and other.understood) or bool(other_taken and advice.understood)
    return advice.understood or other.understood or not (taken and other_taken)


def _doubtful(advice: Advice, taken: bool, other: Advice, other_taken: bool) -> tuple[Advice, ...]:
    """Return two drugs, the second left out where the patient takes it and the text does not speak against it."""
    if taken and not advice.opposed:
        return (other,)
    return (advice,) if other_taken and not other.opposed else (advice, other)


def _of_unclear(because: Reason, medication: str, context: PatientContext) -> Reason:
    said = f"it is not understood whether the person takes '{context.words.get(medication)}', which the prompt names; if so, {because}"
    return Reason(said, edges=because.edges, understood=False)


@row_rule("response", group=_GROUP)
def text_drugs_known(row: Row, graph: KnowledgeGraph, *, known: Sequence[str] = ()) -> Iterator[str]:
    """Every drug that the response names is one of the graph; a row with another is not understood, for nothing can be checked about it.

    A word counts as a drug where it ends in the stem of an international non-proprietary name (`-pril`, `-floxacin`), where a
    dose follows it, or where it is a drug of the graph but for one letter. A drug that the package's list of names has and the graph has
    not, and a class that the graph does not know (`SSRI`), count unless the response speaks against them. A text in another language than
    English, or one that is too long to be read, is not understood as a whole.

    Args:
        row: The row.
        graph: The graph.
        known: Words that are no drugs, or drugs that you accept unchecked; lower case.
    """
    linker = entity_linker(graph)
    yield from unreadable_texts(row)
    for column, reading in readings(row, graph):
        for named in reading.class_mentions:
            said = " ".join(reading.text.words[slice(*named.words)])
            other = linker.other_drug(reading.text, Mention((), *named.words)) is not None
            if (
                said not in known
                and (named.stance == "advised" or (other and named.stance == "unclear"))
                and (other or named.drug == UNKNOWN)
            ):
                what = "drug that the graph does not have" if other else "class of drugs that the graph does not know"
                yield Reason(f"the response advises '{said}', a {what}", column, reading.text.span(*named.words), understood=False)
        for word, meant, span in unknown_drugs(reading, graph, frozenset(known)):
            near = f" (did you mean '{meant}'?)" if meant else ""
            yield Reason(f"'{word}' was not understood: it is no drug of the graph{near}", column, span, understood=False)
