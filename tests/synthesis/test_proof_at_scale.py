"""The solver against many items: it accepts whatever every task builds and clinical sense lets pass, and rejects it once something is wrong.

The tasks' proposals are judged as they come; only the stage of curation, which shares no code with the solver, leaves some out. Four things are made wrong, each so that the item surely is:
another answer, a second right option, a step that is no edge, a number.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import pytest

from bbflow.graph import ClinicalPack
from bbflow.synthesis.curation import ClinicalSense
from bbflow.synthesis.items.item import NO, YES, Item, Prescription, Walk
from bbflow.synthesis.items.solver import answers_of, rejection_reasons, safety
from bbflow.synthesis.questions.dose import Dose
from bbflow.synthesis.tasks import (
    ClinicalWorkflow,
    ConstrainedAnswer,
    DifferentialFromFindings,
    DoseCalculation,
    FactRecall,
    InstructedAnswer,
    InteractionCheck,
    JointCase,
    MetapathQuestion,
    MultiHop,
    OpenBook,
    TreatmentChoice,
    UnsafeRequest,
)  # fmt: skip

GRAPH = ClinicalPack().load()
FAMILIES = (
    ClinicalWorkflow, ConstrainedAnswer, DifferentialFromFindings, DoseCalculation, FactRecall, InstructedAnswer, InteractionCheck,
    JointCase, MetapathQuestion, MultiHop, OpenBook, TreatmentChoice, UnsafeRequest,
)  # fmt: skip
KINDS = ("swapped answer", "second right option", "broken step", "changed number")


def proposals(make: type) -> Iterator[Item]:
    task, sense = make(), ClinicalSense()
    task.prepare(GRAPH)
    sense.prepare(GRAPH)
    attempt = 0
    while True:
        together = task.propose_together(random.Random(f"scale/{task.name}/{attempt}"))
        if all(sense.objection(item) is None for item in together):
            yield from together
        attempt += 1


def swapped_answer(item: Item, rng: random.Random) -> Item | None:
    if item.options is None:
        return dataclasses.replace(item, accepted=item.accepted[1:])
    return dataclasses.replace(item, gold=rng.choice([o for o in item.options if o != item.gold]))


def second_right_option(item: Item, rng: random.Random) -> Item | None:
    """Puts another right answer in the place of a wrong one; where the graph knows none, the right one stands twice."""
    if item.options is None or {YES, NO} == set(item.options):
        return None
    i = rng.choice([i for i, o in enumerate(item.options) if o != item.gold])
    replaced, other = item.options[i], item.gold
    if isinstance(item.query, Walk):
        other = min(answers_of(GRAPH, item.query) - {item.gold}, default=item.gold)
    elif isinstance(item.query, Dose) and item.gold.endswith(" mg"):
        other = f"{float(Fraction(item.gold.split()[0]) / 1000):.6f} g"
    elif isinstance(item.query, Prescription):
        query = item.query
        safe = [d for d in GRAPH.subjects("treats", query.disease) if safety(GRAPH, d, query.disease, query.context) == "safe"]
        new = [d for d in safe if d != item.gold]
        if replaced in query.candidates and item.gold in query.candidates and new:
            other = new[0]
            query = dataclasses.replace(query, candidates=tuple(other if d == replaced else d for d in query.candidates))
            edges = tuple((other, "treats", query.disease) if e[0] == replaced else e for e in item.edges)
            options = tuple(other if o == replaced else o for o in item.options)
            return dataclasses.replace(item, query=query, edges=edges, options=options)
    return dataclasses.replace(item, options=(*item.options[:i], other, *item.options[i + 1 :]))


def broken_step(item: Item, rng: random.Random) -> Item | None:
    i = rng.randrange(len(item.edges))
    subject, predicate, _ = item.edges[i]
    there = rng.choice([n.id for n in GRAPH.nodes() if not GRAPH.has(subject, predicate, n.id)])
    return dataclasses.replace(item, edges=(*item.edges[:i], (subject, predicate, there), *item.edges[i + 1 :]))


def changed_number(item: Item, rng: random.Random) -> Item | None:
    """A dose asked for or offered, or how many answers are wanted."""
    query = item.query
    if isinstance(query, Dose):
        if query.asks == "within":
            factor = Fraction(1000) if item.gold == YES else Fraction(1, 1000)
            return dataclasses.replace(item, query=dataclasses.replace(query, amount=str(float(Fraction(query.amount) * factor))))
        number, unit = item.gold.split(" ", 1)
        wrong = f"{float(Fraction(number) * rng.choice((3, 7, 11))):g} {unit}"
        return dataclasses.replace(item, gold=wrong, options=tuple(wrong if o == item.gold else o for o in item.options or ()))
    if item.options is None:
        return dataclasses.replace(item, count=len(item.accepted) + rng.randint(1, 5))
    return None


CORRUPT = dict(zip(KINDS, (swapped_answer, second_right_option, broken_step, changed_number), strict=True))


def judged(make: type, accepted: int, corrupted: int) -> Counter[str]:
    """Counts what the solver did with the first items of a task, and with some of them made wrong in every way that applies."""
    counts: Counter[str] = Counter()
    rng = random.Random(make.name)
    items = proposals(make)
    for number in range(accepted):
        item = next(items)
        reasons = list(rejection_reasons(GRAPH, item))
        counts["accepted"] += not reasons
        if reasons:
            counts["first: " + reasons[0]] += 1
        if number < corrupted:
            for kind in KINDS:
                wrong = CORRUPT[kind](item, rng)
                if wrong is not None:
                    counts[f"{kind}: made"] += 1
                    counts[f"{kind}: rejected"] += next(rejection_reasons(GRAPH, wrong), None) is not None
    return counts


@pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.name)
def test_the_solver_accepts_what_is_right_and_rejects_what_was_made_wrong(make: type) -> None:
    counts = judged(make, 150, 60)
    assert counts["accepted"] == 150, counts
    assert counts["swapped answer: made"] == counts["broken step: made"] == 60
    for kind in KINDS:
        assert counts[f"{kind}: made"] == counts[f"{kind}: rejected"], counts


@pytest.mark.slow
def test_fifty_thousand_items_are_accepted_and_five_thousand_broken_ones_rejected() -> None:
    totals: Counter[str] = Counter()
    for make in FAMILIES:
        totals += judged(make, -(-50_000 // len(FAMILIES)), 700)
    assert totals["accepted"] >= 50_000
    assert not [why for why in totals if why.startswith("first: ")]
    for kind in KINDS:
        assert totals[f"{kind}: made"] >= 1250, totals
        assert totals[f"{kind}: made"] == totals[f"{kind}: rejected"], totals
    assert sum(totals[f"{kind}: made"] for kind in KINDS) >= 5000
