"""The advice of a whole completion, judged for the patient of the record by the rules of the data contract.

Advised are the drug of the answer and every drug that the completion advises anywhere: before the answer, after it, in a title, in a
postscript. A drug of which it is unclear whether it is advised counts as advised; one that is only spoken of does not. A dose without a
drug is that of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bbflow.contracts.engine.patient_context import PATIENT_KINDS
from bbflow.contracts.engine.row import Finding, Row
from bbflow.contracts.engine.rule import RULES
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.severity import Weight
from bbflow.records import Example, Recommendation
from bbflow.text.answers.answer_cues import answer_cues
from bbflow.text.answers.consistency import sentences_beside
from bbflow.text.answers.extraction import chosen_answers, has_answer_marker
from bbflow.text.answers.quantities import single_quantity
from bbflow.text.answers.reading import read_completion
from bbflow.text.answers.relations import is_proven
from bbflow.text.drugs.drug_mentions import DrugMention, read_drug_stances
from bbflow.text.entity_linking import entity_linker, mentions
from bbflow.text.normalization import name_key

FORBIDDING_RULES = ("no_contraindicated_drug", "no_interacting_pair", "no_renal_contraindication", "dose_within_maximum")
"""Rules of the data contract that judge advised drugs: conditions, pregnancy, allergies, renal function, interactions, daily dose."""
COVERAGE_RULES = ("recommended_drug_covered",)
"""Rules that name a drug which the graph has not judged against the patient."""
CAUTION_RULES = ("needs_no_caution",)
"""Rules that name a drug which needs caution: no reward, and not unsafe (`bbflow.graph.severity`)."""
_DOSE_RULES = ("dose_within_maximum", "text_dose_within_maximum")
"""Rules whose findings without an edge say that a dose could not be judged."""
_TEXT_RULES = ("text_no_contraindicated_drug", "text_no_interacting_pair", "text_dose_within_maximum")
"""Rules that read the text itself, and so see classes of drugs as well."""
_UNCLEAR = ("text_no_contraindicated_drug", "text_no_interacting_pair")
_MASS = re.compile(r"[0-9]\s*(?:mg|g|mcg|ug|\u00b5g|\u03bcg|kg|grams?|milligrams?|micrograms?|tablets?|pills?)\b", re.IGNORECASE)
_KILOGRAMS = re.compile(
    r"([0-9]+(?:\.[0-9]+)?)\s*(?:kg|kilos?|kilograms?)\s+(?:per|a|each|every|daily|once|twice|three|four|at once)\b", re.IGNORECASE
)
"""A dose in kilograms, which no reader of doses takes for one; a body weight has no frequency."""
_BEFORE = re.compile(
    r"(?P<amount>[0-9][0-9,.]*)\s*(?P<unit>[a-zA-Z\u00b5\u03bc]+)\s+(?:(?:of|the|oral|tablets?|per|a|each|every|day|daily)\s+)*$"
)
"""An amount before the name of its drug."""


class Fault(NamedTuple):
    """A fault of advice, with its weight by `bbflow.graph.severity`; what the graph has not judged is unstated."""

    weight: Weight
    reason: str


class AdviceReader:
    """Read the advice of completions and judge it.

    Args:
        graph: Source of the facts.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph

    def advice(self, example: Example, completion: str) -> list[Recommendation]:
        r"""Return the drugs that a completion advises, without those that the patient takes, each with its largest daily dose.

        >>> from bbflow.testing import CHOICE, GRAPH
        >>> advised = AdviceReader(GRAPH).advice(CHOICE, "Avoid warfarin. Answer: amlodipine 5 mg twice daily\nP.S. propranolol")
        >>> [(drug["drug"], drug["dose"]) for drug in advised]
        [('drug:amlodipine', 10.0), ('drug:propranolol', None)]
        """
        takes = set((example.patient or {}).get("medications") or ())
        told, found = self._told(example, completion), dict.fromkeys(self.answered(example, completion))
        answered = set(found)
        reading = read_drug_stances(told, self.graph)
        for mention in reading.drug_mentions:
            unclear = (
                mention.stance == "unclear" and mention.drug not in takes and not _tells_effect(reading.text.words[mention.words[1] :])
            )
            if mention.stance == "advised" or unclear:
                found.setdefault(mention.drug)
        doses = {drug: self._dose(drug, reading.drug_mentions, told) for drug in found}
        return [_recommendation(drug, dose) for drug, dose in doses.items() if drug not in takes or drug in answered]

    def answered(self, example: Example, completion: str) -> list[str]:
        """Return the drugs of the answers; the drug of the question where the answer is yes."""
        options = example.options or []
        if example.options is not None:
            chosen = zip(chosen_answers(example, completion), read_completion(completion).answers, strict=True)
            said = [
                text if index is None else options[index]
                for (index, _), text in chosen
                if index is not None or has_answer_marker(completion)
            ]
        else:
            said = list(read_completion(completion).answers) if has_answer_marker(completion) else []
        if any(fold(text) == "yes" for text in said):  # the drug of the question is the first node of the proof
            said += [edge[0] for edge in example.edges[:1]]
        nodes = [node for text in said for node in ([text] if text in self.graph else mentions(self.graph, text))]
        return list(dict.fromkeys(node for node in nodes if self.graph.node(node).kind == "Drug"))

    def faults(self, example: Example, completion: str, rules: Sequence[str] | None = None, beyond: bool = False) -> list[Fault]:
        """Return the faults of a completion's advice.

        Args:
            example: The record.
            completion: The completion.
            rules: Names of the contract's rules; None: all that judge advice.
            beyond: Whether what the record itself recommends is taken as right, so that only other drugs and doses are judged, and names
                of the patient's conditions that the graph does not know are passed over.

        >>> from bbflow.testing import CHOICE, GRAPH
        >>> [fault.weight.value for fault in AdviceReader(GRAPH).faults(CHOICE, "Answer: B. Give propranolol too.")]
        ['forbids', 'forbids']
        """
        told, advised = self._told(example, completion), self.advice(example, completion)
        if beyond:
            own = self._own(example)
            advised = [drug for drug in advised if drug["drug"] not in own or drug["dose"] is not None]
            if not told and not advised:
                return []
        patient = self._known(example) if beyond else example.patient
        cells = {"messages": example.messages, "patient": patient, "response": told, "recommended": [dict(drug) for drug in advised]}
        row = Row(0, cells if rules is None else {**example.to_row(), **cells})
        if rules is not None:
            return [Fault(Weight.UNSTATED, finding.reason) for name in rules for finding in self._findings(name, row)]
        return [fault for name, weight in self._weights(told).items() for fault in self._weighed(name, weight, row)]

    def _own(self, example: Example) -> set[str | None]:
        """Return the drugs that the record itself takes for right."""
        own: set[str | None] = {self.graph.resolve(example.answer), *(drug["drug"] for drug in example.recommended)}
        return own | ({edge[0] for edge in example.edges[:1]} if fold(example.answer) == "yes" else set())

    def _weights(self, told: str) -> dict[str, Weight]:
        """Return the rules that judge advice, each with the weight of its findings."""
        weights = dict.fromkeys((*FORBIDDING_RULES, *(_TEXT_RULES if told else ())), Weight.FORBIDS)
        unstated = (*COVERAGE_RULES, *(("text_drugs_known",) if told else ()))  # nothing can be said of a drug that the graph does not know
        return weights | dict.fromkeys(unstated, Weight.UNSTATED) | dict.fromkeys(CAUTION_RULES, Weight.CAUTION)

    def _weighed(self, rule: str, weight: Weight, row: Row) -> list[Fault]:
        """Return the findings of a rule as faults; what was not understood, or a dose that could not be judged, is unstated."""
        found = self._findings(rule, row)
        known = [finding.understood and (bool(finding.edges) or rule not in _DOSE_RULES) for finding in found]
        return [Fault(weight if knows else Weight.UNSTATED, finding.reason) for finding, knows in zip(found, known, strict=True)]

    def forbids(self, example: Example, completion: str) -> bool:
        """Return whether a completion advises what this patient must not have, or an impossible dose, beyond what the record recommends."""
        return any(fault.weight is Weight.FORBIDS for fault in self.faults(example, completion, beyond=True))

    def _findings(self, rule: str, row: Row) -> list[Finding]:
        settings = {"unclear": "pass"} if rule in _UNCLEAR else {}  # what is unclear is judged as a recommendation
        found = RULES[rule].run([row], self.graph, **settings).findings
        return [finding for finding in found if finding.understood] if settings else found

    def _known(self, example: Example) -> dict[str, object]:
        """Return the patient of a record without names that the graph does not know, and with an empty list for what is not given.

        A contract judges what a record leaves out; this judges what the completion says.
        """
        patient: dict[str, object] = dict(example.patient or {})
        linker = entity_linker(self.graph)
        for key, kinds in PATIENT_KINDS.items():
            names = (example.patient or {}).get(key) or ()
            patient[key] = [n for n in names if linker.resolve(n, kinds) or name_key(n) in linker.drug_classes]  # type: ignore[attr-defined]
        return patient

    def _told(self, example: Example, completion: str) -> str:
        """Return what a completion says besides its answer, without true statements; a dose without a drug gets that of the answer."""
        beside = [s.text for s in sentences_beside(example, completion) if not s.asks and not is_proven(self.graph, s.text)]
        if example.options is None and has_answer_marker(completion):
            beside += [text for text in read_completion(completion).answers if _MASS.search(text)]
        if not beside:
            return ""
        names = [self.graph.name_of(drug) for drug in self.answered(example, completion)]
        beside = [_VERDICT.sub(r"avoid \1. ", text) for text in beside]
        if names:
            beside = [f"{names[0]} {text}" if _MASS.search(text) and not self._names_drug(text) else text for text in beside]
        return ". ".join(beside)

    def _names_drug(self, text: str) -> bool:
        return any(self.graph.node(node).kind == "Drug" for node in mentions(self.graph, text))

    def _dose(self, drug: str, reading: Sequence[DrugMention], told: str) -> float | None:
        doses = [mention.daily_mg for mention in reading if mention.drug == drug and mention.daily_mg is not None]
        doses += [float(match[1]) * 1e6 for match in _KILOGRAMS.finditer(told)]
        before = self._dose_before(drug, told)
        return max([*doses, *([] if before is None else [before])], default=None)

    def _dose_before(self, drug: str, text: str) -> float | None:
        """Return the milligrams before a name, as in `3 g of ibuprofen`, as one administration."""
        found = []
        for name in (self.graph.name_of(drug), *self.graph.node(drug).synonyms):
            for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
                before = _BEFORE.search(text, max(0, match.start() - 40), match.start())
                amount = single_quantity(f"{before['amount']} {before['unit']}") if before else None
                if amount is not None and amount.dimension == "mass":
                    found.append(amount.value)
        return max(found, default=None)


_VERDICT = re.compile(r"^([^:,;]{1,60}):\s*(?:no|unsafe|excluded|contraindicated|ruled out)\b(?!\s+[a-z])[,;.]?", re.IGNORECASE)
"""A line that gives a name and its verdict: `cephalexin: no`."""


def _tells_effect(after: Sequence[str]) -> bool:
    """Return whether the words after a drug tell what it does, and so advise nothing: `labetalol would slow the heart`."""
    words = answer_cues().words
    return len(after) > 1 and after[0] in words["effects"] and after[1] not in words["suffices"]


def _recommendation(drug: str, dose: float | None) -> Recommendation:
    return Recommendation(drug=drug, dose=dose, unit=None if dose is None else "mg", per_day=None if dose is None else 1.0, route=None)
