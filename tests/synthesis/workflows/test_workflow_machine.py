"""The clinical workflow machine: order, red flags, safe treatments, and mistakes in a file of one's own."""

import random

import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.synthesis.items.patients import DrugSafetyIndex
from bbflow.synthesis.items.solver import safety
from bbflow.synthesis.workflows.workflow_machine import SHIPPED, load_workflow_machine, red_flag

GRAPH = ClinicalPack().load()
STAGES = (
    "history", "examination", "escalation", "emergency", "transfer", "differential", "tests", "diagnosis", "treatment", "review",
    "handover", "follow_up",
)  # fmt: skip


def cases(number: int):
    machine, clinic = load_workflow_machine(), DrugSafetyIndex(GRAPH)
    diseases = [
        n.id for n in GRAPH.nodes("Disease") if len(GRAPH.objects(n.id, "has_phenotype")) > 2 and GRAPH.objects(n.id, "diagnosed_by")
    ]
    rng = random.Random(3)
    found = 0
    while found < number:
        disease = rng.choice(diseases)
        context = tuple(rng.sample([r for r in clinic.risks if r != disease], rng.randint(0, 3)))
        steps = machine.run(GRAPH, clinic, disease, context, rng)
        if steps is not None:
            found += 1
            yield disease, context, steps


def test_cases_go_through_the_stages_in_order_and_stay_safe() -> None:
    flagged = treated = 0
    # More risk nodes than drugs are judged against, and emergencies end with a transfer: fewer cases end in a drug.
    for disease, context, steps in cases(900):
        names = [step.name for step in steps]
        assert names == [name for name in STAGES if name in names]
        seen = [n for step in steps if step.name in ("history", "examination") for n in step.nodes]
        assert all(GRAPH.has(disease, "has_phenotype", n) for n in seen)
        assert ("escalation" in names) == any(red_flag(GRAPH, disease, n) for n in seen)
        flagged += "escalation" in names
        assert ("review" in names) <= bool(GRAPH.subjects("treats", disease))
        assert not ("handover" in names and GRAPH.subjects("treats", disease))
        for step in steps:
            wanted = {"history": "symptom", "examination": "sign", "follow_up": "symptom"}.get(step.name)
            assert wanted is None or all(GRAPH.node(n).attributes["found_by"] == wanted for n in step.nodes)
        for step in steps:
            if step.name == "treatment":
                treated += 1
                assert all(safety(GRAPH, drug, disease, context) == "safe" for drug in step.nodes)
    assert flagged > 20
    assert treated > 100


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("start: history", "start: histroy", "histroy"),
        ("next: examination", "next: examnation", "examnation"),
        ("predicate: [diagnosed_by]", "predicate: [diagnosd_by]", "diagnosd_by"),
        ("if: red_flag", "if: red_flags", "red_flags"),
        ("does: order {test}", "dos: order {test}", "dos"),
        ("of: drug", "of: drog", "drog"),
        ("{rival: true}", "{rival: true, safe: true}", "exactly one way"),
        ("{rival: true}", "{rival: true, cuont: 2}", "unknown key 'cuont' .did you mean 'count'"),
        ("count: 2", "count: two", "count must be at least 1, not 'two'"),
        ("order {test}", "order {tset}", "'{tset}' is no slot of this state .did you mean 'test'"),
        ("weigh {disease}", "weigh {disease", "cannot be filled in"),
        ("{predicate: [diagnosed_by], of: disease}", "{predicate: [treats], of: drug}", "'drug', which is not always filled before"),
        ("next: transfer", "next: escalation", "no way from state 'escalation' leads to an end"),
        ("found_by: symptom", "found_by: smyptom", "no finding is found by 'smyptom' .did you mean 'symptom'"),
        ("next: [{if: red_flag, go: escalation}, {go: differential}]", "next: [escalation]", "a branch names the state"),
        ("  treatment:\n", "  treatment: 5\n  other:\n", "state 'treatment' is a mapping"),
        ("states:", "sates: {}\nstates:", "unknown key 'sates'"),
    ],
)
def test_mistakes_of_a_machine_are_named_with_their_place(tmp_path, old: str, new: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    text = SHIPPED.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as caught:
        load_workflow_machine(file)
    assert all("mine.yaml:" in p.where for p in caught.value.problems)


def test_all_mistakes_of_a_machine_are_told_at_once(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        SHIPPED.read_text().replace("count: 2", "count: 0").replace("order {test}", "order {tset}").replace("go: handover", "go: x")
    )
    with pytest.raises(InputError) as caught:
        load_workflow_machine(file)
    assert len(caught.value.problems) == 3
