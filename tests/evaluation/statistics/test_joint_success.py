import pandas as pd
import pytest

from bbflow.evaluation.statistics.joint_success import joint_success


def table(rows):
    columns = ["example_id", "cluster", "capability", "score"]
    return pd.DataFrame(rows, columns=columns).assign(task="t", open_book=False, completion="")


def scores(**by_capability):
    """Scores of items 0, 1, ... in each capability; None: not judged."""
    return table(
        [
            (f"e{i}", f"c{i % 4}", name, score)
            for name, values in by_capability.items()
            for i, score in enumerate(values)
            if score is not None
        ]
    )


def test_all_at_once_against_the_product():
    found = joint_success(None, scores(a=[1, 1, 0, 0, 1], b=[1, 0, 1, 0, None]))
    assert (found["capabilities"], found["n"]) == (["a", "b"], 4)
    assert found["after"]["score"] == 0.25
    assert found["after"]["product"] == 0.25
    assert "before" not in found


def test_a_graded_score_below_one_is_no_success():
    assert joint_success(None, scores(a=[1, 0.9], b=[1, 1]))["after"]["score"] == 0.5


def test_the_largest_set_counts():
    found = joint_success(None, scores(a=[1, 1, 1, 1], b=[1, 1, 1, 1], c=[None, None, None, 0]))
    assert (found["capabilities"], found["n"], found["after"]["score"]) == (["a", "b", "c"], 1, 0.0)


def test_difference_is_paired():
    before, after = scores(a=[1] * 8 + [0] * 8, b=[1] * 16), scores(a=[1] * 12 + [0] * 4, b=[1] * 16)
    found = joint_success(before, after)
    assert found["difference"]["estimate"] == pytest.approx(0.25)
    assert found["difference"]["lower"] < 0.25 < found["difference"]["upper"]


def test_nothing_is_needed_at_once():
    assert joint_success(None, scores(a=[1, 1])) is None
