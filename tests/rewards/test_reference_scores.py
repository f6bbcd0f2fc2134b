"""Recorded scores of the rewards that the recipes use: a changed score is a decision, not an accident.

`python -m benchmarks.maintenance.record_reference_scores` prints the differences, and records them with `--write`.
"""

import pytest

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.rewards import Reward
from benchmarks.maintenance.record_reference_scores import REWARDS, graph_of, read_scores, score

RECORDED = read_scores()


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return graph_of(RECORDED)


@pytest.mark.parametrize("reward", REWARDS)
def test_scores_are_as_recorded(reward: type[Reward], graph: KnowledgeGraph) -> None:
    different = []
    for row in RECORDED["rows"]:
        before = row["scores"].get(reward.__name__)
        if before is not None:
            pairs = zip(row["completions"], before, score(reward, graph, row), strict=True)
            different += [(row["example"]["example_id"], text, old, new) for text, old, new in pairs if old != new]
    assert not different, different[:5]


def test_the_records_are_many_and_scored_both_ways() -> None:
    assert sum(len(row["completions"]) for row in RECORDED["rows"]) > 2000
    for reward in REWARDS:
        scores = {value for row in RECORDED["rows"] for value in row["scores"].get(reward.__name__, ())}
        assert {0.0, 1.0} <= scores, reward.__name__
