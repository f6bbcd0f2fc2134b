"""Selection on rows written by hand: quotas, pairs, interleaving, and option sets of held-out questions."""

from collections import Counter

import numpy as np
import pytest

from bbflow.errors import InputError
from bbflow.graph import ClinicalPack
from bbflow.synthesis.attempts import StreamSpec
from bbflow.synthesis.curation import Curation
from bbflow.synthesis.selection import (
    NO_ENTITY_OPTIONS,
    Plan,
    RowKey,
    Selector,
    allocate,
    arrange,
    option_set_key,
    require_every_split,
    shortfall,
)
from bbflow.synthesis.tasks import FactRecall, Statement

GRAPH = ClinicalPack().load()


def stream(split: str = "train", count: int = 4, curation: Curation | None = None, name: str = "recall") -> StreamSpec:
    return StreamSpec(GRAPH, name, FactRecall(), split, count, 0, curation=curation)


def row(identity: str, level: int = 1, cluster: str = "gout", answer: str = "yes", signature: np.ndarray | None = None) -> RowKey:
    return RowKey(identity.encode(), answer, level, cluster, signature)


def test_the_first_attempts_are_kept_and_the_stream_closes_when_one_finds_no_room() -> None:
    dropped: Counter = Counter()
    selector = Selector(stream(count=3), dropped)
    attempts = [[row("a"), row("b")], [row("a")], [row("c"), row("d")], [row("e")]]
    assert list(selector.select(attempts)) == [0]  # the second is a duplicate, the third is one row too many
    assert dropped == {("fact_recall", "duplicate"): 1}
    assert selector.kept == 2
    assert selector.closed
    assert list(selector.select([[row("f")]])) == []


def test_a_pair_that_is_refused_leaves_no_trace_in_the_quotas() -> None:
    dropped: Counter = Counter()
    selector = Selector(stream("test", 4, Curation(held_out_per_cluster=1)), dropped)
    # The second row of the first pair is one too many about gout; asthma must still be free for the second attempt.
    attempts = [[row("a", cluster="gout")], [row("b", cluster="asthma"), row("c", cluster="gout")], [row("d", cluster="asthma")]]
    assert list(selector.select(attempts)) == [0, 2]
    assert dropped == {("fact_recall", "there are enough about its entity"): 1}


def test_a_refused_pair_is_no_near_duplicate_of_what_follows() -> None:
    signed = np.arange(64, dtype=np.uint32)
    selector = Selector(stream("test", 4, Curation(near_duplicates=0.9, held_out_per_cluster=1)), Counter())
    pair = [row("a", cluster="asthma", signature=signed), row("b", cluster="asthma", signature=signed + 1000)]
    assert list(selector.select([pair, [row("c", cluster="gout", signature=signed)], [row("d", signature=signed, cluster="fever")]])) == [1]


def test_levels_have_quotas() -> None:
    selector = Selector(stream(count=4, curation=Curation(levels={1: 0.75, 2: 0.25})), Counter())
    assert list(selector.select([row(name, level)] for name, level in (("a", 2), ("b", 2), ("c", 1), ("d", 1), ("e", 1)))) == [0, 2, 3, 4]


def test_streams_are_interleaved_evenly_and_ties_go_by_name() -> None:
    streams = [stream(name="recall", count=4), stream(name="hop", count=2), stream("test", 1), stream("validation", 0)]
    order = arrange(streams, [[NO_ENTITY_OPTIONS] * 4, [NO_ENTITY_OPTIONS] * 2, [NO_ENTITY_OPTIONS], []], Counter())
    # places: recall at 1/8, 3/8, 5/8, 7/8, hop at 1/4, 3/4
    assert order["train"].tolist() == [[0, 0], [1, 0], [0, 1], [0, 2], [1, 1], [0, 3]]
    assert order["test"].tolist() == [[2, 0]]
    assert order["validation"].tolist() == []
    tied = arrange([stream(name="b"), stream(name="a")], [[NO_ENTITY_OPTIONS], [NO_ENTITY_OPTIONS]], Counter())
    assert tied["train"].tolist() == [[1, 0], [0, 0]]


def test_training_rows_that_offer_the_options_of_a_held_out_question_are_left_out() -> None:
    dropped: Counter = Counter()
    streams = [stream(count=3), stream("validation", 1), stream("test", 2)]
    order = arrange(streams, [[7, -5, NO_ENTITY_OPTIONS], [7], [NO_ENTITY_OPTIONS, 9]], dropped)
    assert order["train"].tolist() == [[0, 1], [0, 2]]
    assert len(order["test"]) == 2
    assert dropped == {("fact_recall", "offers the options of a held-out question"): 1}


def test_the_key_of_an_option_set_ignores_order_and_is_none_without_a_name() -> None:
    names = {"aspirin", "warfarin"}
    assert option_set_key(["aspirin", "warfarin"], names) == option_set_key(["warfarin", "aspirin"], names) != NO_ENTITY_OPTIONS
    assert option_set_key(["aspirin", "warfarin"], names) != option_set_key(["aspirin", "none of these"], names)
    assert option_set_key(["5 mg", "10 mg"], names) == option_set_key(None, names) == NO_ENTITY_OPTIONS


def test_sizes_are_divided_by_share_and_only_train_holds_what_is_not_held_out() -> None:
    assert allocate(10, {"a": 1.0, "b": 2.0}) == {"a": 3, "b": 7}
    tasks = {"recall": FactRecall(), "statement": Statement()}
    plan = Plan(
        GRAPH, tasks, {"train": 9, "test": 4}, {"statement": 2.0}, 5, curation=Curation(capabilities={"domain": 3.0, "instruction": 1.0})
    )
    counts = {(s.split, s.name): (s.count, s.seed) for s in plan.streams()}
    assert counts == {
        ("train", "recall"): (5, 5), ("train", "statement"): (4, 5), ("validation", "recall"): (0, 0), ("test", "recall"): (4, 0),
    }  # fmt: skip


def test_what_is_missing_is_counted_by_task_and_split() -> None:
    streams = [stream(count=5, name="one"), stream(count=5, name="two"), stream("test", 3)]
    assert shortfall(streams, [4, 3, 3]) == {("fact_recall", "train"): 3}


def test_every_empty_split_is_named() -> None:
    require_every_split({"train": 1, "validation": 1, "test": 1})
    with pytest.raises(InputError, match="validation, test"):
        require_every_split({"train": 1, "validation": 0})


def test_rows_that_are_too_many_are_told_by_the_size_of_the_attempt() -> None:
    selector = Selector(stream(count=3), Counter())
    assert selector.has_room(3)
    assert not selector.has_room(4)
