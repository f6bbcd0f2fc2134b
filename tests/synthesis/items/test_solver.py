"""The solver against items built by hand, and against items that were broken on purpose."""

import ast
import dataclasses
import random
from pathlib import Path

import pytest

import bbflow.synthesis
from bbflow.graph import ClinicalPack, Edge, KnowledgeGraph, Node
from bbflow.synthesis import Walk
from bbflow.synthesis.items.item import NO, NONE_OF_THESE, YES, Item, Prescription
from bbflow.synthesis.items.proof_paths import unique_path
from bbflow.synthesis.items.solver import answers_of, rejection_reasons, safety
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice

COMPLETE = {"coverage": {"disease": "complete", "interaction": "complete", "allergy": "complete", "pregnancy": "complete"}}


@pytest.fixture(scope="module")
def small() -> KnowledgeGraph:
    nodes = [
        *(Node(f"drug:{n}", "Drug", n, (), COMPLETE) for n in ("safe", "bad", "careful")),
        Node("drug:partial", "Drug", "partial", (), {"coverage": {"disease": "partial"}}),
        Node("drug:taken", "Drug", "taken", (), {"risk": True, **COMPLETE}),
        Node("disease:d", "Disease", "ditis"),
        Node("disease:r", "Disease", "risk disease", (), {"risk": True}),
        Node("disease:s", "Disease", "other disease"),
        Node("test:t", "Test", "scan"),
        Node("test:u", "Test", "assay"),
    ]
    edges = [
        *(Edge(f"drug:{n}", "treats", "disease:d", "label:x y") for n in ("safe", "bad", "careful", "partial")),
        Edge("drug:bad", "contraindicated_in", "disease:r", "label:x y"),
        Edge("drug:careful", "caution_in", "disease:r", "label:x y"),
        Edge("drug:safe", "interacts_with", "drug:taken", "label:x y", attributes={"severity": "major"}),
        Edge("disease:d", "diagnosed_by", "test:t", "text:d diagnosis"),
        Edge("disease:s", "diagnosed_by", "test:u", "text:d diagnosis"),
    ]
    return KnowledgeGraph(nodes, edges, name="small")


@pytest.mark.parametrize(
    ("drug", "context", "verdict"),
    [
        ("drug:safe", ("disease:r",), "safe"),
        ("drug:bad", ("disease:r",), "unsafe"),
        ("drug:careful", ("disease:r",), "unknown"),  # a caution is neither safety nor a prohibition
        ("drug:partial", ("disease:r",), "unknown"),  # a missing edge is not safety
        ("drug:safe", ("disease:s",), "unknown"),  # coverage was not judged against this one
        ("drug:safe", ("drug:taken",), "unsafe"),
        ("drug:taken", ("disease:r",), "unknown"),  # does not treat the disease
    ],
)
def test_safety_needs_coverage(small: KnowledgeGraph, drug: str, context: tuple[str, ...], verdict: str) -> None:
    assert safety(small, drug, "disease:d", context) == verdict


def choice(**changes) -> Item:
    item = Item(
        "treatment_choice", ("safety",), Prescription("disease:d", ("disease:r",), ("drug:bad", "drug:safe")), "drug:safe",
        (("drug:bad", "contraindicated_in", "disease:r"), ("drug:safe", "treats", "disease:d")), "disease:d",
        options=("drug:bad", "drug:safe", NONE_OF_THESE), chain=True,
    )  # fmt: skip
    return dataclasses.replace(item, **changes)


def hop(**changes) -> Item:
    item = Item(
        "multi_hop", ("reasoning",), Walk("drug:bad", (("treats", True), ("diagnosed_by", True))), "test:t",
        (("drug:bad", "treats", "disease:d"), ("disease:d", "diagnosed_by", "test:t")), "drug:bad", options=("test:t", "test:u"), chain=True,
    )  # fmt: skip
    return dataclasses.replace(item, **changes)


def listed(**changes) -> Item:
    answers = ("drug:bad", "drug:careful", "drug:partial", "drug:safe")
    item = Item(
        "constrained_answer", ("instruction",), Walk("disease:d", (("treats", False),)), "drug:bad",
        (("drug:bad", "treats", "disease:d"), ("drug:safe", "treats", "disease:d")), "disease:d", accepted=answers, count=2,
    )  # fmt: skip
    return dataclasses.replace(item, **changes)


def test_good_items_are_proven(small: KnowledgeGraph) -> None:
    assert list(rejection_reasons(small, choice())) == []
    assert list(rejection_reasons(small, hop())) == []
    assert list(rejection_reasons(small, listed())) == []
    assert list(rejection_reasons(small, listed(chain=True))) == []
    permission = choice(
        query=Prescription("disease:d", ("disease:r",), ("drug:bad",)), gold=NO, options=(YES, NO), edges=(("drug:bad", "contraindicated_in", "disease:r"),)
    )  # fmt: skip
    assert list(rejection_reasons(small, permission)) == []


@pytest.mark.parametrize(
    "broken",
    [
        choice(gold="drug:bad"),
        choice(gold=NONE_OF_THESE),
        choice(
            query=Prescription("disease:d", ("disease:r",), ("drug:careful", "drug:safe")),
            options=("drug:careful", "drug:safe", NONE_OF_THESE),
        ),
        choice(edges=(("drug:safe", "treats", "disease:d"),)),
        choice(edges=(("drug:bad", "contraindicated_in", "disease:d"), ("drug:safe", "treats", "disease:d"))),
        choice(options=("drug:bad", "drug:safe")),
        hop(gold="test:u"),
        hop(options=("test:t", "test:t")),
        hop(options=("test:t", "drug:bad")),
        hop(edges=(("drug:bad", "treats", "disease:d"),)),
        hop(edges=(("drug:safe", "treats", "disease:d"), ("disease:d", "diagnosed_by", "test:t"))),
        hop(edges=(("drug:bad", "treats", "disease:s"), ("disease:s", "diagnosed_by", "test:t"))),
        listed(count=3),
        listed(count=1),
        listed(gold="drug:safe"),
        listed(edges=(("drug:bad", "treats", "disease:d"), ("drug:bad", "treats", "disease:d"))),
        listed(edges=(("drug:bad", "treats", "disease:d"), ("drug:bad", "contraindicated_in", "disease:r"))),
        listed(edges=(("drug:bad", "treats", "disease:d"), ("disease:d", "diagnosed_by", "test:t"))),
    ],
)
def test_broken_items_are_rejected(small: KnowledgeGraph, broken: Item) -> None:
    assert list(rejection_reasons(small, broken))


def test_reach_agrees_with_brute_force_over_edges() -> None:
    graph = ClinicalPack().load()
    triples = [e.triple for e in graph.edges()]
    for start in ("drug:metformin", "drug:lisinopril", "drug:aspirin"):
        diseases = {o for s, p, o in triples if s == start and p == "treats"}
        tests = {o for s, p, o in triples if s in diseases and p == "diagnosed_by"}
        assert answers_of(graph, Walk(start, (("treats", True), ("diagnosed_by", True)))) == tests
    fatigue = {s for s, p, o in triples if p == "has_phenotype" and o == "finding:fatigue"}
    assert answers_of(graph, Walk("finding:fatigue", (("has_phenotype", False),))) == fatigue


def test_an_answer_with_two_paths_has_no_unique_proof(small: KnowledgeGraph) -> None:
    graph = KnowledgeGraph(
        list(small.nodes()),
        [*small.edges(), Edge("drug:bad", "treats", "disease:s", "label:x y"), Edge("disease:s", "diagnosed_by", "test:t", "text:x y")],
    )
    assert unique_path(graph, Walk("drug:bad", (("treats", True), ("diagnosed_by", True))), "test:t") is None
    assert unique_path(small, Walk("drug:bad", (("treats", True), ("diagnosed_by", True))), "test:t") is not None


@pytest.mark.parametrize("task", [FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice()], ids=lambda t: t.name)
def test_corrupted_items_of_every_task_are_rejected(task) -> None:
    """Swap the gold for something that does not answer, or replace an edge of the proof: the solver must see it."""
    graph = ClinicalPack().load()
    task.prepare(graph)
    rng = random.Random(5)
    seen = 0
    while seen < 60:
        item = task.propose(rng)
        if item is None or next(rejection_reasons(graph, item), None) is not None:
            continue
        seen += 1
        if item.options is not None:
            for wrong in set(item.options) - {item.gold}:
                assert list(rejection_reasons(graph, dataclasses.replace(item, gold=wrong)))
        else:
            assert list(rejection_reasons(graph, dataclasses.replace(item, accepted=item.accepted[1:])))
        subject, predicate, _ = item.edges[0]
        broken = ((subject, predicate, subject), *item.edges[1:])
        assert list(rejection_reasons(graph, dataclasses.replace(item, edges=broken)))


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return names | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def test_solver_and_tasks_do_not_import_each_other() -> None:
    root = Path(bbflow.synthesis.__path__[0])
    solver = "bbflow.synthesis.items.solver"
    builders = [*(root / "tasks").rglob("*.py"), *(root / "workflows").glob("*.py"), *(root / "constraints").glob("*.py")]
    parts = {"solver.py", "clinical_solver.py"}
    builders += [path for path in (root / "items").glob("*.py") if path.name not in parts]
    builders += [*(root / "sense").glob("*.py"), *(root / "curation").glob("*.py")]
    assert len(builders) > 20
    clinical = "bbflow.synthesis.items.clinical_solver"
    assert [path.name for path in builders if {solver, clinical} & imported(path)] == []
    allowed = {"solver.py": {"bbflow.synthesis.items.item", clinical}, "clinical_solver.py": {"bbflow.synthesis.items.item"}}
    for part, names in allowed.items():
        found = {name for name in imported(root / "items" / part) if name.startswith(("bbflow.synthesis", "bbflow.text"))}
        assert found == names
    for path in (root / "questions").glob("*.py"):  # where the other kinds of question prove themselves
        assert not any(name.startswith("bbflow.synthesis.sense") for name in imported(path)), path.name
