from types import SimpleNamespace

import pytest

from bbflow.evaluation.scoring import COLUMNS, complete, score_completions, score_policy
from bbflow.policies import PolicySettings, load_policy
from bbflow.policies.rollouts import TransformersRollout


@pytest.fixture
def policy(tiny_qwen_dir):
    return load_policy(PolicySettings(path=str(tiny_qwen_dir)))


def test_the_table_by_hand(example, vowels):
    capabilities = {"domain": vowels("a"), "safety": vowels("b")}
    examples = [example(1, capabilities=["domain", "safety"], open_book=True), example(2, capabilities=["safety"], cluster="c2")]
    table = score_completions(capabilities, examples, ["ab", "bbbx"])
    assert tuple(table.columns) == COLUMNS
    assert table[["example_id", "capability", "score", "open_book"]].values.tolist() == [
        ["e0001", "domain", 0.5, True], ["e0001", "safety", 0.5, True], ["e0002", "safety", 0.75, False],
    ]  # fmt: skip
    assert table["completion"].tolist() == ["ab", "ab", "bbbx"]


def test_nothing_judged_gives_an_empty_table_with_the_columns(policy, example, vowels):
    table = score_policy(policy, {"safety": vowels()}, [example(1)])
    assert table.empty
    assert tuple(table.columns) == COLUMNS


def test_equal_prompts_are_decoded_once_and_results_keep_their_order(policy, example, monkeypatch):
    decoded, seen = [], []

    def echo(self, policy, prompts, **kwargs):
        decoded.extend(prompts)
        return SimpleNamespace(completions=lambda: prompts)

    monkeypatch.setattr(TransformersRollout, "generate", echo)
    examples = [example(i, question=q) for i, q in enumerate(["a longer question, surely", "why?", "why?", "what is it?"])]
    texts = complete(policy, examples, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert len(decoded) == 3
    assert [len(p) for p in decoded] == sorted(len(p) for p in decoded)
    assert seen == [(2, 3), (3, 3)]
    for e, text in zip(examples, texts, strict=True):
        assert e.prompt in text


def test_batches_do_not_change_the_completions(policy, example):
    examples = [example(i, question=f"{'so ' * i}why?") for i in range(5)]
    together = complete(policy, examples, max_new_tokens=5)
    assert together == [complete(policy, [e], max_new_tokens=5)[0] for e in examples]
