"""Doses that the texts of a row give in words stay within the daily maximum."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.advice import Advice, named_in_prompt, readings
from bbflow.contracts.engine.row import MalformedCell, Reason, Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.contracts.rules.safety.dose_within_maximum import dose_limit, patient_conditions
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.doses.dose_units import body_weights
from bbflow.text.drugs.drug_mentions import DrugMention, TextReading
from bbflow.text.drugs.firm_stance import is_firmly_dismissed
from bbflow.text.drugs.stance_cues import stance_cues
from bbflow.text.drugs.stray_doses import stray_doses
from bbflow.text.tokenization import TokenizedText


@row_rule("response", group="safety of the text")
def text_dose_within_maximum(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """A dose that the response gives stays within the graph's daily maximum, unless the response advises against it.

    Grams, milligrams and micrograms are converted; numbers of tablets, `twice daily`, `every 6 hours`, `1-0-1` are counted; a dose without
    a frequency counts once. A dose by body weight (mg/kg) is checked for the heaviest weight of the response, the patient or the prompt.
    A row with a dose that cannot be read, since there is no weight or no known frequency, is not understood. A drug whose maximum the graph
    does not know is not checked.

    Args:
        row: The row.
        graph: The graph.
    """
    for column, reading in readings(row, graph):
        for mention in reading.drug_mentions:
            if mention.daily_mg is not None or mention.daily_mg_per_kg is not None:
                yield from _dose_findings(row, graph, Advice(mention, column, reading, "advised"))
        for drugs, daily_mg, words in stray_doses(reading):
            for drug in drugs or (named_in_prompt(row, graph) if row.has("messages") and row.has("patient") else ()):
                limit = dose_limit(graph, drug, patient_conditions(row, graph))
                if limit is not None and daily_mg > limit.daily * (1 + 1e-6):
                    yield _stray(graph, drug, daily_mg, limit.daily, column, reading, words)


def _dose_findings(row: Row, graph: KnowledgeGraph, advice: Advice) -> Iterator[Reason]:
    mention: DrugMention = advice.mention
    limit = dose_limit(graph, mention.drug, patient_conditions(row, graph))
    if limit is None:
        return
    maximum = limit.daily
    doses = [(mention.daily_mg, mention.dose_words)]
    dismissed = mention.stance == "against"
    if dismissed and (mention.daily_mg is None or mention.daily_mg <= maximum or is_firmly_dismissed(advice.reading, mention)):
        return
    if mention.daily_mg_per_kg is not None:
        weights = _body_weights(row, advice.text)
        if weights:
            doses.append((mention.daily_mg_per_kg * max(weights), mention.weighted_words))
        else:
            yield _unread_dose(advice, mention.weighted_words, "no body weight is given")
    if mention.unread_words[1]:
        yield _unread_dose(advice, mention.unread_words, "its frequency cannot be read")
    for daily_mg, words in doses:
        if daily_mg is not None and daily_mg > maximum * (1 + 1e-6):
            said = f"{graph.name_of(mention.drug)} {daily_mg:g} mg/d exceeds the maximum of {maximum:g} mg/d{limit.wording}"
            because = Reason(said, advice.column, advice.text.span(*words), (limit.edge,))
            yield (
                _of_doubtful(because, advice)
                if dismissed
                else _unread_dose(advice, words, str(because))
                if _is_doubtful(advice)
                else because
            )


def _is_doubtful(advice: Advice) -> bool:
    """Return whether the sentence of a drug says more of its doses than one amount and how often it is taken."""
    text, reading = advice.text, advice.reading
    start, end = text.sentence(advice.mention.words[0])
    several = sum(start <= unit < end for unit in reading.units) > 1
    doubts = not stance_cues().words.dose_doubts.isdisjoint(text.words[start:end])
    return several or doubts or text.is_quoted(advice.mention.words[0])


def _of_doubtful(because: Reason, advice: Advice) -> Reason:
    """Return the reason of a dose of a drug that the text may speak against."""
    said = f"'{advice.said()}' is not understood: it is unclear whether the text advises it, and {because}"
    return Reason(said, because.column, because.span, because.edges, understood=False)


def _stray(
    graph: KnowledgeGraph, drug: str, daily_mg: float, maximum: float, column: str, reading: TextReading, words: tuple[int, int]
) -> Reason:
    """Return the reason of a dose that stands beside no drug, or without a unit."""
    start, end = reading.text.span(*words)
    what = f"{graph.name_of(drug)} {daily_mg:g} mg/d, which exceeds the maximum of {maximum:g} mg/d"
    return Reason(f"the dose '{reading.text.text[start:end]}' was not understood: it may be {what}", column, (start, end), understood=False)


def _unread_dose(advice: Advice, words: tuple[int, int], why: str) -> Reason:
    said = f"the dose '{advice.said(words)}' was not understood: {why}"
    return Reason(said, advice.column, advice.text.span(*words), understood=False)


def _body_weights(row: Row, text: TokenizedText) -> list[float]:
    """Return the body weights in kilograms that a text gives; else those of the patient; else those of the prompt."""
    found = body_weights(text.words)
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
