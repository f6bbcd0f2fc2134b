"""A graph of a dozen nodes and a few records for docstrings, guides and tests, small enough to check rewards by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.records import Example, Message
from bbflow.rewards.base import Reward

__all__ = [
    "CHOICE", "CITED", "DECISION", "DOSE", "GRAPH", "LISTED", "MULTI_HOP", "OPEN", "REFUSE", "WORKFLOW", "example", "print_scores",
]  # fmt: skip

_COMPLETE = {"disease": "complete", "pregnancy": "complete", "allergy": "complete", "interaction": "complete"}
_DRUGS = {"propranolol": ("Inderal",), "amlodipine": (), "aspirin": (), "ibuprofen": ("Advil",), "warfarin": ("Coumadin",)}
_DISEASES = ("hypertension", "asthma", "osteoarthritis", "atrial fibrillation")


def _id(kind: str, name: str) -> str:
    return f"{kind}:{name.replace(' ', '_')}"


GRAPH = KnowledgeGraph(
    [
        *(Node(_id("drug", n), "Drug", n, s, {"coverage": _COMPLETE, "risk": True}) for n, s in _DRUGS.items()),
        *(Node(_id("disease", n), "Disease", n, (), {"risk": True}) for n in _DISEASES),
        Node("state:pregnancy", "PhysiologicalState", "pregnancy", (), {"risk": True}),
        Node("finding:wheezing", "PhenotypicFeature", "wheezing"),
        Node("test:spirometry", "Test", "spirometry"),
        Node("dose:ibuprofen", "Quantity", "2400 mg per day", (), {"value": 2400, "unit": "mg/d"}),
    ],
    [
        Edge(subject, predicate, obj, "worked example")
        for subject, predicate, obj in (
            ("drug:propranolol", "treats", "disease:hypertension"),
            ("drug:amlodipine", "treats", "disease:hypertension"),
            ("drug:aspirin", "treats", "disease:osteoarthritis"),
            ("drug:ibuprofen", "treats", "disease:osteoarthritis"),
            ("drug:warfarin", "treats", "disease:atrial_fibrillation"),
            ("drug:propranolol", "contraindicated_in", "disease:asthma"),
            ("drug:ibuprofen", "contraindicated_in", "state:pregnancy"),
            ("drug:ibuprofen", "has_maximum_daily_dose", "dose:ibuprofen"),
            ("disease:asthma", "has_phenotype", "finding:wheezing"),
            ("disease:asthma", "diagnosed_by", "test:spirometry"),
        )
    ]
    + [Edge("drug:aspirin", "interacts_with", "drug:warfarin", "worked example", False, {"severity": "major"})],
    name="worked",
    about={"disclaimer": "For documentation. Not medical advice."},
)
"""Five drugs, four diseases, and their edges."""


def example(question: str, answer: str, **changes: Any) -> Example:
    """Return a record with a question, its answer, and the given further fields."""
    fields: dict[str, Any] = {
        "example_id": "worked",
        "task": "worked",
        "capabilities": ["domain"],
        "messages": [Message(role="user", content=question)],
        "response": f"Answer: {answer}",
        "answer": answer,
    }
    return Example(**{**fields, **changes})


_ASTHMATIC = {"age": 60, "conditions": ["disease:hypertension", "disease:asthma"], "medications": [], "allergies": [], "pregnant": False}

CHOICE = example(
    "A 60-year-old man with asthma needs a drug for hypertension. Which one is safe?\nA) propranolol\nB) amlodipine\nC) none of these",
    "amlodipine",
    response="propranolol is contraindicated in asthma. amlodipine treats hypertension. Answer: amlodipine",
    options=["propranolol", "amlodipine", "none of these"],
    patient=_ASTHMATIC,
    recommended=[{"drug": "drug:amlodipine", "dose": None, "unit": None, "per_day": None, "route": None}],
    entities=["disease:hypertension", "disease:asthma", "drug:propranolol", "drug:amlodipine"],
    edges=[("drug:propranolol", "contraindicated_in", "disease:asthma"), ("drug:amlodipine", "treats", "disease:hypertension")],
    capabilities=["domain", "reasoning", "safety"],
)
"""A choice of drugs for a patient with asthma."""

MULTI_HOP = example(
    "A patient takes propranolol. Which test diagnoses a disease in which it is contraindicated?\nA) spirometry\nB) wheezing",
    "spirometry",
    response="propranolol is contraindicated in asthma. asthma is diagnosed by spirometry. Answer: spirometry",
    options=["spirometry", "wheezing"],
    entities=["drug:propranolol", "disease:asthma", "test:spirometry"],
    edges=[("drug:propranolol", "contraindicated_in", "disease:asthma"), ("disease:asthma", "diagnosed_by", "test:spirometry")],
    hops=2,
    capabilities=["reasoning"],
)
"""A question across two edges."""

OPEN = example(
    "Name a drug for osteoarthritis.",
    "aspirin",
    accepted=["aspirin", "ibuprofen"],
    entities=["disease:osteoarthritis", "drug:aspirin"],
    edges=[("drug:aspirin", "treats", "disease:osteoarthritis")],
)
"""An open question with two right answers that asks for one."""

LISTED = example(
    "Name two drugs that treat osteoarthritis. Use 2 bullets. No commas.",
    "aspirin",
    accepted=["aspirin", "ibuprofen"],
    response="* aspirin\n* ibuprofen",
    entities=["disease:osteoarthritis", "drug:aspirin", "drug:ibuprofen"],
    edges=[("drug:aspirin", "treats", "disease:osteoarthritis"), ("drug:ibuprofen", "treats", "disease:osteoarthritis")],
    constraints=[
        {"type": "detectable_format:number_bullet_lists", "kwargs": {"num_bullets": 2}},
        {"type": "punctuation:no_comma", "kwargs": {}},
    ],
    capabilities=["instruction", "domain"],
)
"""Two names under two format constraints."""

DOSE = example("A child of 20 kg gets 10 mg/kg of ibuprofen. How much is one dose?", "200 mg")
"""A dose to calculate."""

DECISION = example("Does the abstract support the claim?", "maybe")
"""A question with the answers yes, no and maybe."""

CITED = example(
    "[1] propranolol is contraindicated in asthma. [2] aspirin treats osteoarthritis. [3] asthma is diagnosed by spirometry.\n"
    "A patient takes propranolol. Which test diagnoses a disease in which it is contraindicated? Cite the facts.",
    "spirometry",
    response="propranolol is contraindicated in asthma [1]. asthma is diagnosed by spirometry [3]. Answer: spirometry",
    edges=MULTI_HOP.edges,
    entities=MULTI_HOP.entities,
    open_book=True,
)
"""An open-book question with numbered facts."""

WORKFLOW = example(
    "A patient wheezes. Which steps lead to the treatment?", "spirometry",
    response="1. history 2. examination 3. spirometry 4. treatment. Answer: spirometry",
    workflow=["history", "examination", "spirometry", "treatment"],
)  # fmt: skip
"""Four steps in order."""

REFUSE = example(
    "A pregnant woman has osteoarthritis. Can ibuprofen be given?", "no",
    response="ibuprofen is contraindicated in pregnancy. Answer: no", options=["yes", "no"],
    patient={"age": 30, "sex": "female", "pregnant": True, "conditions": ["disease:osteoarthritis"], "medications": [], "allergies": []},
    edges=[("drug:ibuprofen", "contraindicated_in", "state:pregnancy")], entities=["drug:ibuprofen", "state:pregnancy"],
)  # fmt: skip
"""A request that must be refused."""


def print_scores(reward: Reward, record: Example, completions: Sequence[str]) -> None:
    """Print the scores of completions as the table of a docstring; line ends are shown as ` / `."""
    reward.prepare(GRAPH)
    lines = ["| completion | score |", "|---|---|"]
    for text, score in zip(completions, reward([record] * len(completions), list(completions)), strict=True):
        shown = f"`{text}`".replace("\n", " / ") if text else "(nothing)"
        lines.append(f"| {shown} | {'abstains' if score is None else f'{score:.3g}'} |")
    print("\n".join(lines))  # noqa: T201
