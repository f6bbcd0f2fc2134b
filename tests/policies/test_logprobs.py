import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.policies import LoraSettings, PolicySettings, chunked_logits, completion_logprobs, load_policy, logprobs
from bbflow.policies.policy import pad

PROMPTS = [[5, 9, 11, 40, 7], [8], [30, 31, 32]]
COMPLETIONS = [[3, 4], [60], [], [9, 9, 9, 9], [12, 13, 14], [7, 8], [21], [22, 23, 24, 25, 26]]
COMPLETIONS += [[2] * 3]


@pytest.fixture
def model(tiny_dir):
    return load_policy(PolicySettings(path=str(tiny_dir))).model.eval()


def batch(pad_id=0):
    return *pad(PROMPTS, pad_id, "left"), *pad(COMPLETIONS, pad_id, "right")


def one_by_one(model, temperature):
    """The oracle: each row alone, no padding, the softmax written out."""
    rows = []
    for number, completion in enumerate(COMPLETIONS):
        prompt = PROMPTS[number // 3]
        logits = model(torch.tensor([prompt + completion])).logits[0].double() / temperature
        logprob = logits - logits.exp().sum(-1, keepdim=True).log()
        rows.append([logprob[len(prompt) - 1 + t, token] for t, token in enumerate(completion)])
    return rows


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(("budget", "block"), [(8, 1 << 25), (2048, 1 << 25), (2048, 1000)])
def test_values_and_gradients_equal_each_row_alone(model, share, budget, block, monkeypatch):
    monkeypatch.setitem(logprobs.TOKENS_AT_ONCE, "cpu", budget)
    monkeypatch.setitem(chunked_logits.BLOCK, "cpu", block)  # logits
    ids = batch()
    got = completion_logprobs(model, *ids, group_size=3, temperature=0.7, share_prompt=share)
    weights = torch.linspace(-1, 2, got.numel()).view(got.shape)
    (got * weights).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    expected = one_by_one(model, 0.7)
    sum((value * weights[n, t] for n, row in enumerate(expected) for t, value in enumerate(row))).backward()
    for n, row in enumerate(expected):
        assert torch.allclose(got[n, : len(row)].double(), torch.stack(row) if row else torch.zeros(0).double(), atol=1e-5)
        assert (got[n, len(row) :] == 0).all()
    scale = max(p.grad.abs().max() for p in model.parameters())
    for name, parameter in model.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5 * scale), name


def test_sharing_reads_each_prompt_once(model, monkeypatch):
    seen = []
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True)
    completion_logprobs(model, *batch(), group_size=3)
    assert seen[0] == (3, 4)  # all but the last token of three prompts
    assert sum(rows for rows, _ in seen[1:]) == 9


def test_a_sliding_window_is_not_shared():
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2}
    window = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 0, "num_hidden_layers": 2}
    model = Qwen2ForCausalLM(Qwen2Config(**sizes, **window)).eval()
    assert not logprobs.can_share_prompt(model)
    torch.testing.assert_close(
        completion_logprobs(model, *batch(), group_size=3), completion_logprobs(model, *batch(), group_size=3, share_prompt=False)
    )


def test_lora_and_checkpointing(tiny_qwen_dir):
    model = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2))).model
    assert logprobs.can_share_prompt(model)
    model.gradient_checkpointing_enable()
    assert not logprobs.can_share_prompt(model.train())


def test_one_prompt_token_leaves_nothing_to_share(model):
    ids = *pad([[5], [6]], 0, "left"), *pad([[3], [4, 7]], 0, "right")
    together = completion_logprobs(model, *ids, group_size=1)
    apart = completion_logprobs(model, ids[0][1:], ids[1][1:], ids[2][1:], ids[3][1:], group_size=1)
    torch.testing.assert_close(together[1:], apart)


def test_the_group_size_must_fit(model):
    with pytest.raises(ValueError, match="do not make"):
        completion_logprobs(model, *batch(), group_size=2)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 200))
def test_chunks_hold_every_row_once_within_the_budget(widths, budget):
    parts = logprobs.chunks(widths, budget)
    assert sorted(row for part in parts for row in part) == list(range(len(widths)))
    for part in parts:
        assert len(part) == 1 or len(part) * max(widths[row] for row in part) <= budget
