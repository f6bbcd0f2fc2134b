"""`ClinicalSense`: the rules of a question that a clinician would sign, as a stage of curation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

from bbflow.errors import Problem, did_you_mean
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.severity import Weight, weight_of
from bbflow.records import Example
from bbflow.synthesis.curation.base import CurationStage
from bbflow.synthesis.items.item import Item, Prescription, Walk
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.questions.dose import GRAMS, Dose
from bbflow.synthesis.questions.interaction import Interaction
from bbflow.synthesis.questions.joint import Joint
from bbflow.synthesis.questions.request import Request
from bbflow.synthesis.questions.workflow import Workflow
from bbflow.synthesis.sense.doses import is_of_one_day, marketed, the_maximum
from bbflow.synthesis.sense.people import bounds, can_become_pregnant, harms_unborn, is_pregnancy
from bbflow.synthesis.sense.purposes import is_later, purposes, shared_purposes
from bbflow.synthesis.sense.walks import WalkSense

RULES = {
    "findings": "the findings given single out the disease, and none says the same as another",
    "red_flags": "every alarm among the findings is honoured: it points to the disease, and an emergency gets more than a drug",
    "people": "age, sex and pregnancy fit everything that is said of the patient",
    "found_by": "the patient is asked for symptoms and examined for signs; what a laboratory measures is ordered",
    "purposes": "drugs that are compared or advised serve one purpose, and a drug that is advised is a first choice if one is safe",
    "setting": "an acute state is on the record only where it decides, no case ends in a syndrome, no conditions exclude each other",
    "conflicts": "what the patient takes already goes with the rest of the record",
    "contraception": "no plain yes to a drug that harms an unborn child for a woman who can become pregnant",
    "options": "every wrong option is wrong in a lesser and in a broader sense as well, and of the kind of the right one",
    "starts": "a question starts from a finding that points somewhere",
    "doses": "doses are marketed, usual and not too much at once, and the maximum is one of a day",
    "severity": "only an interaction that forbids is worded as a bar",
}
"""Name of a rule to what it demands."""


class ClinicalSense(CurationStage):
    """Drop items that no clinician would sign, each with the rule that it breaks.

    The rules look at attributes of the graph (`sex`, `age_from`, `found_by`, `nonspecific`, `purposes`, `strengths`, ...); a graph that
    has none of them is not restricted by them. The solver checks the same by its own code.

    Args:
        rules: Names of the rules to apply, of `RULES`; null: all.
    """

    def __init__(self, rules: list[str] | None = None) -> None:
        self.rules = list(RULES) if rules is None else rules

    def problems(self, where: str) -> list[Problem]:
        """List unknown rules."""
        unknown = [name for name in self.rules if name not in RULES]
        return [Problem(f"'{name}' is no rule of clinical sense", f"{where}.rules", did_you_mean(name, RULES)) for name in unknown]

    def prepare(self, graph: KnowledgeGraph) -> None:
        """Index what the rules look up."""
        self._graph, self._clinic, self._walks = graph, DrugSafetyIndex(graph), WalkSense(graph)
        self._signs = self._walks.signs
        every: dict[str, Callable[[Item], bool]] = {
            "findings": self._findings, "red_flags": self._red_flags, "people": self._people, "found_by": self._found_by,
            "purposes": self._purposes, "setting": self._setting, "conflicts": self._conflicts, "contraception": self._contraception,
            "options": self._options, "starts": self._starts, "doses": self._doses, "severity": self._severity,
        }  # fmt: skip
        self._broken = {name: every[name] for name in self.rules}

    def __call__(self, examples: Sequence[Example], seed: int) -> list[Example | str]:
        """Return the examples: their items were judged."""
        return list(examples)

    def objection(self, item: Item) -> str | None:
        """Return the first rule that an item breaks."""
        broken = next((name for name, breaks in self._broken.items() if breaks(item)), None)
        return None if broken is None else f"clinical sense: {broken}"

    def _findings(self, item: Item) -> bool:
        case = item.query.case(item)
        if not case.findings or isinstance(item.query, Workflow):
            return False
        repeated = any(self._walks.kin(one) & set(case.findings) - {one} for one in case.findings)
        return repeated or not self._signs.single_out(case.disease, case.findings)

    def _red_flags(self, item: Item) -> bool:
        if isinstance(item.query, Walk):
            return not item.evidence and not self._walks.honours_alarm(item.query, item.gold)
        case = item.query.case(item)
        if case.findings and self._signs.ignores_alarm(case.disease, case.findings):
            return True
        emergency = case.disease in self._signs.emergencies
        if isinstance(item.query, Workflow):
            return emergency and not item.query.escalates()
        return isinstance(item.query, Joint) and (emergency or bool(self._signs.alarms(case.findings)))

    def _people(self, item: Item) -> bool:
        case, patient = item.query.case(item), item.patient
        who = bounds(self._graph, case)
        if patient is None:
            return who.nobody
        age, pregnant = patient.get("age"), any(is_pregnancy(self._graph, node) for node in case.context)
        fits = patient.get("sex") in who.sexes and age is not None and who.low <= age <= who.high
        return not fits or pregnant != bool(patient.get("pregnant"))

    def _found_by(self, item: Item) -> bool:
        filled = item.query.filled if isinstance(item.query, Workflow) else []
        return any(not slot.takes(self._graph, node) for slot, nodes in filled for node in nodes)

    def _purposes(self, item: Item) -> bool:
        query, graph = item.query, self._graph
        if isinstance(query, Prescription):
            return not shared_purposes(graph, query.candidates, query.disease)
        if not isinstance(query, (Request, Joint, Workflow)):
            return False
        disease, context, advised = query.disease, query.case(item).context, query.endorsed(item)
        if isinstance(query, Request):
            wanted = set(purposes(graph, query.drug, disease))
            others = [drug for drug in advised if drug != query.drug]
            return any(not wanted <= set(purposes(graph, d, disease)) or not self._clinic.is_due(d, disease, context) for d in others)
        rivals = [d for d in item.options or () if graph.has(d, "treats", disease)] if isinstance(query, Joint) else []
        together = not rivals or bool(shared_purposes(graph, rivals, disease))
        due = all(self._clinic.is_due(d, disease, context) and not is_later(graph, d, disease) for d in advised)
        return not together or not due

    def _setting(self, item: Item) -> bool:
        case, held = item.query.case(item), self._graph.node
        nodes = {*case.context, case.disease} - {""}
        if any(nodes.intersection(held(node).attributes.get("excludes") or ()) for node in nodes):
            return True
        if case.findings and held(case.disease).attributes.get("syndrome"):
            return True
        decides = {edge[2] for edge in item.edges if edge[1] != "treats"}
        return any(node in self._clinic.acute and node not in decides for node in case.context)

    def _conflicts(self, item: Item) -> bool:
        case, given = item.query.case(item), item.query.endorsed(item)
        if set(case.context) & {*given, *(item.query.candidates if isinstance(item.query, Prescription) else ())}:
            return True
        if isinstance(item.query, Interaction) and any(self._graph.has(a, "interacts_with", b) for a, b in combinations(case.context, 2)):
            return True  # a question about interactions names every one
        return self._clinic.has_conflict(case.disease, case.context)

    def _contraception(self, item: Item) -> bool:
        given = item.query.endorsed(item)
        return item.patient is not None and can_become_pregnant(item.patient) and any(harms_unborn(self._graph, d) for d in given)

    def _options(self, item: Item) -> bool:
        walk = item.query
        if not isinstance(walk, Walk) or item.options is None or item.evidence:
            return False  # facts in the prompt decide by themselves
        wrong = [option for option in item.options if option != item.gold]
        kinds = {self._graph.node(option).kind for option in item.options}
        sound = self._walks.barred(walk).isdisjoint(wrong) and self._walks.can_be_right(walk, item.gold, choice=True)
        return not sound or len(kinds) > 1 or not all(self._walks.is_judged(walk, option) for option in wrong)

    def _starts(self, item: Item) -> bool:
        asked = isinstance(item.query, Walk) and not item.evidence
        return asked and not self._walks.can_start(item.query, item.options is not None)  # type: ignore[arg-type]

    def _doses(self, item: Item) -> bool:
        query = item.query
        if isinstance(query, Walk):
            about = the_maximum(self._graph, query.start) if query.kind == "has_maximum_daily_dose.forward" else None
            return about is not None and is_of_one_day(about)
        if not isinstance(query, Dose):
            return False
        held = self._graph.node(self._graph.objects(query.drug, "has_maximum_daily_dose")[0]).attributes
        limit = Fraction(str(held["value"])) * GRAMS[str(held["unit"]).partition("/")[0]]
        sold = marketed(self._graph, query.drug, limit)
        dose = Fraction(query.amount or 0) * GRAMS[query.unit]
        if sold is None or (query.asks == "tablets" and dose not in sold.strengths):
            return True
        often = query.times > max(sold.times) + (query.asks == "within") or (query.asks == "single" and query.times not in sold.times)
        return (often and query.asks != "tablets") or not sold.is_dose(limit / query.times if query.asks == "single" else dose)

    def _severity(self, item: Item) -> bool:
        query = item.query
        if not isinstance(query, Interaction) or query.disease:
            return False
        edge = self._graph.edge(query.drug, "interacts_with", item.gold)
        return edge is None or (query.kind == "interaction.bar") != (weight_of(edge) is Weight.FORBIDS)
