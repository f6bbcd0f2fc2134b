import json
import re
from collections import Counter

import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack, KnowledgeGraph, Node
from bbflow.records import SPLITS, Example
from bbflow.rewards import CorrectAnswer, FollowsInstructions, ReasonedAnswer, SafeChoice
from bbflow.synthesis import generate
from bbflow.synthesis.constraints.single_answer import CONSTRAINT_WRITERS
from bbflow.synthesis.rendering.renderer import templates
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, Statement, TreatmentChoice

GRAPH = ClinicalPack().load()
SIZES = {"train": 800, "validation": 100, "test": 400}


def tasks() -> dict:
    return {t.name: t for t in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice(), Statement())}


@pytest.fixture(scope="module")
def made():
    return generate(GRAPH, tasks(), SIZES, {}, seed=0)


def test_sizes_and_mix(made) -> None:
    assert {split: len(made.examples[split]) for split in SPLITS[1:]} == {"validation": 100, "test": 400}
    assert len(made.examples["train"]) + sum(n for (_, why), n in made.dropped.items() if why.startswith("offers")) == SIZES["train"]
    assert all(120 <= count <= 160 for count in Counter(e.task for e in made.examples["train"]).values())
    assert Counter(e.task for e in made.examples["test"]) == {name: 100 for name in tasks() if name != "statement"}


def test_at_least_half_of_the_prompts_are_judged_by_two_capabilities(made) -> None:
    train = [e for e in made.examples["train"] if e.task != "statement"]
    assert sum(len(e.capabilities) >= 2 for e in train) >= len(train) / 2


def test_same_seed_same_examples_and_another_seed_changes_train_alone(made) -> None:
    again = generate(GRAPH, tasks(), SIZES, {}, seed=0)
    other = generate(GRAPH, tasks(), SIZES, {}, seed=1)
    for split in SPLITS:
        assert again.examples[split] == made.examples[split]
    assert other.examples["train"] != made.examples["train"]
    strip = lambda e: json.dumps({**e.to_row(), "provenance": None})  # noqa: E731
    assert [strip(e) for e in other.examples["test"]] == [strip(e) for e in made.examples["test"]]


def test_examples_of_a_task_do_not_depend_on_the_other_tasks(made) -> None:
    alone = generate(GRAPH, {"multi_hop": MultiHop()}, {"test": 100}, {}, seed=0)
    assert alone.examples["test"] == [e for e in made.examples["test"] if e.task == "multi_hop"]


def _question(example: Example) -> tuple:
    """Start and metapath of a walk, whatever its wording, options, constraints or answer; for a patient the whole case."""
    kind = re.sub(r"#[a-z]+\d+", "", example.provenance["template"]).removeprefix("list.many/")
    if example.patient is None:
        return (kind, example.cluster)
    candidates = tuple(sorted(edge[0] for edge in example.edges))
    if len(candidates) > 1:
        return (kind, example.cluster, candidates)
    return (
        kind,
        *example.patient["conditions"],
        *example.patient["medications"],
        *example.patient["allergies"],
        example.patient["pregnant"],
        *candidates,
    )


def test_splits_share_no_question_option_set_path_or_template_family(made) -> None:
    train = [e for e in made.examples["train"] if e.task != "statement"]
    held_out = made.examples["validation"] + made.examples["test"]
    assert not {e.example_id for e in train} & {e.example_id for e in held_out}
    assert not {e.prompt for e in train} & {e.prompt for e in held_out}
    assert not {_question(e) for e in train} & {_question(e) for e in held_out}
    sets = lambda examples: {tuple(sorted(e.options)) for e in examples if e.options and e.options not in (["yes", "no"], ["no", "yes"])}  # noqa: E731
    assert not sets(train) & sets(held_out)
    paths = lambda examples: {tuple(e.edges) for e in examples if e.task == "multi_hop"}  # noqa: E731
    assert not paths(train) & paths(held_out)
    families = lambda examples: {e.provenance["template"] for e in examples}  # noqa: E731
    assert not families(train) & families(held_out)


def test_template_texts_of_train_do_not_return_in_held_out_splits() -> None:
    for kind, families in templates().items():
        if "train" in families:
            held_out = [*families.get("validation", []), *families.get("test", [])]
            assert not {*families["train"], *families.get("varied", [])} & set(held_out), kind
            assert len(held_out) == len(set(held_out)), kind


def test_references_are_right_by_every_metric(made) -> None:
    for metric, name in (
        (CorrectAnswer(), "domain"),
        (ReasonedAnswer(), "reasoning"),
        (FollowsInstructions(), "instruction"),
        (SafeChoice(), "safety"),
    ):
        metric.prepare(GRAPH)
        judged = [e for split in SPLITS for e in made.examples[split] if name in e.capabilities]
        assert judged
        assert set(metric(judged, [e.response for e in judged])) == {1.0}


def test_letters_are_balanced(made) -> None:
    choices = [e for e in made.examples["test"] if e.options is not None and len(e.options) == 4]
    places = Counter(e.options.index(e.answer) for e in choices)
    assert len(choices) > 100
    assert max(places.values()) < 1.6 * min(places.values())


def test_every_record_says_where_it_comes_from(made) -> None:
    for example in made.examples["train"]:
        assert example.provenance["graph_sha256"] == GRAPH.sha256
        assert all(GRAPH.has(*edge) for edge in example.edges)
        assert set(example.entities) <= {n.id for n in GRAPH.nodes()}


def test_a_graph_without_the_edges_that_a_task_needs_is_refused() -> None:
    bare = KnowledgeGraph([Node("drug:a", "Drug", "a")], [], name="bare")
    with pytest.raises(InputError) as caught:
        generate(bare, {"multi_hop": MultiHop(), "treatment_choice": TreatmentChoice()}, {"train": 1}, {}, 0)
    assert len(caught.value.problems) == 2


def test_alignment_asks_what_pretraining_never_asked() -> None:
    sizes = {"train": 200, "test": 60}
    tasks = {"multi_hop": MultiHop(), "fact_recall": FactRecall(), "constrained_answer": ConstrainedAnswer()}
    before, after, whole = (generate(GRAPH, tasks, sizes, {}, 0, stage=s) for s in ("pretraining", "alignment", "all"))
    families = lambda made: {e.provenance["template"].split("#")[1] for e in made.examples["train"] if e.task == "multi_hop"}  # noqa: E731
    assert families(before) == {f"train{i}" for i in range(4)}
    assert families(after) == families(whole) == {f"train{i}" for i in range(7)}
    asked = lambda made: {_question(e) for e in made.examples["train"]}  # noqa: E731
    assert asked(before)
    assert asked(after)
    assert not asked(before) & asked(after)
    assert asked(whole) & asked(before)
    assert asked(whole) & asked(after)
    assert [e.prompt for e in before.examples["test"]] == [e.prompt for e in after.examples["test"]]


def test_a_case_belongs_to_what_its_question_names(made) -> None:
    """A question about one drug does not name the disease, so that its items succeed and fail with the drug."""
    kinds = set()
    for example in made.examples["test"]:
        if example.task == "treatment_choice":
            assert GRAPH.name_of(example.cluster) in example.prompt
            kinds.add(GRAPH.node(example.cluster).kind)
    assert kinds == {"Drug", "Disease"}


def test_alignment_words_every_constraint_in_more_ways_than_pretraining() -> None:
    wordings = templates()
    for kind in CONSTRAINT_WRITERS:
        families = wordings[f"constraint/{kind.type}"]
        assert len(families["varied"]) >= 3
        frames = [text for place in families for text in families[place]]
        assert len(frames) == len(set(frames))
