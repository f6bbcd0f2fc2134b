from dataclasses import replace
from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bbflow.errors import InputError, Refused
from bbflow.policies import LoraSettings, PolicySettings, completion_logprobs, load_policy
from bbflow.policies.policy import eval_mode
from bbflow.policies.rollouts import TransformersRollout, sampling
from bbflow.policies.rollouts.sampling import draw

PROMPTS = [[5, 9, 11, 40, 7], [8, 30], [30, 31, 32]]


@pytest.fixture
def policy(tiny_dir):
    return load_policy(PolicySettings(path=str(tiny_dir)))


def sample(policy, seed=0, **changes):
    engine = TransformersRollout(**{"group_size": 4, "max_new_tokens": 12, "temperature": 1.5, **changes})
    return engine.generate(policy, PROMPTS, generator=torch.Generator().manual_seed(seed))


def test_greedy_equals_the_argmax_of_full_forward_passes(policy):
    rollouts = TransformersRollout(max_new_tokens=6).generate(policy, PROMPTS, group_size=1, greedy=True)
    with eval_mode(policy.model), torch.no_grad():
        for prompt, completion in zip(PROMPTS, rollouts.completions(), strict=True):
            row = list(prompt)
            for token in completion:
                assert token == int(policy.model(torch.tensor([row])).logits[0, -1].argmax())
                row.append(token)


def test_reported_log_probabilities_are_those_of_the_policy(policy):
    many_ends = replace(policy, eos_ids=tuple(range(0, 60)))  # rows end at different steps, so the batch shrinks on the way
    rollouts = sample(many_ends)
    assert len(set(rollouts.lengths_N.tolist())) > 2
    with eval_mode(policy.model), torch.no_grad():
        expected = completion_logprobs(
            policy.model, rollouts.prompt_ids_BP, rollouts.prompt_mask_BP, rollouts.completion_ids_NT, rollouts.completion_mask_NT,
            group_size=4, temperature=1.5, share_prompt=False,
        )  # fmt: skip
    torch.testing.assert_close(rollouts.logprobs_NT, expected, atol=1e-5, rtol=1e-5)


def test_samples_follow_the_distribution(policy):
    engine = TransformersRollout(group_size=4000, max_new_tokens=1, temperature=2.0)
    rollouts = engine.generate(policy, [PROMPTS[0]], generator=torch.Generator().manual_seed(1))
    with eval_mode(policy.model), torch.no_grad():
        expected = (policy.model(torch.tensor([PROMPTS[0]])).logits[0, -1] / 2.0).softmax(-1)
    seen = torch.bincount(rollouts.completion_ids_NT[:, 0], minlength=len(expected)) / 4000
    assert (seen - expected).abs().max() < 5 * (expected.max() / 4000).sqrt()


def test_a_completion_does_not_depend_on_when_its_neighbours_leave_the_batch(policy, monkeypatch):
    from bbflow.policies.rollouts import transformers_rollout

    many_ends = replace(policy, eos_ids=tuple(range(0, 60)))
    early = sample(many_ends)
    monkeypatch.setattr(transformers_rollout, "COMPACT_BELOW", 0.0)
    assert sample(many_ends).completions() == early.completions()


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 1e-30, 0.1, 1.0, 7.0]), min_size=5, max_size=5).filter(any), min_size=1, max_size=4),
    st.sampled_from([0.0, 1e-300, 0.25, 0.5, 1 - 2**-53]),
)
def test_a_drawn_token_is_where_the_distribution_function_passes_the_uniform_number(rows, uniform):
    tokens = draw(torch.tensor(rows), torch.full((len(rows),), uniform, dtype=torch.float64)).tolist()
    for row, token in zip(torch.tensor(rows).double().tolist(), tokens, strict=True):
        *cumulative, total = accumulate(row, initial=0.0)
        assert row[token] > 0
        assert cumulative[token] <= uniform * total
        assert ([*cumulative, total])[token + 1] > uniform * total or not any(row[token + 1 :])


@pytest.mark.parametrize("size", [sampling.WHOLE + 1, sampling.WHOLE + sampling.BLOCK, 20_001])
def test_blocks_of_a_large_vocabulary_give_the_tokens_of_the_whole(size, monkeypatch):
    source = torch.Generator().manual_seed(size)
    logits = torch.randn(400, size, generator=source) * torch.tensor([1.0, 10.0]).repeat(200)[:, None]
    logits[:, torch.rand(size, generator=source) < 0.3] = -torch.inf  # whole stretches without any probability, the ends among them
    logits[::3, 700:] = logits[1::3, :-700] = -torch.inf
    logits[:, 300], logits[:, -300] = 0.0, 0.0
    probabilities = logits.softmax(1)
    uniform = torch.rand(400, generator=source, dtype=torch.float64)
    uniform[:8] = torch.tensor([0.0, 1e-300, 0.5, 1 - 2**-53], dtype=torch.float64).repeat(2)
    found = draw(probabilities, uniform)
    monkeypatch.setattr(sampling, "WHOLE", size)
    expected = draw(probabilities, uniform)
    assert torch.equal(found[uniform != 1 - 2**-53], expected[uniform != 1 - 2**-53])  # there rounding may decide
    cumulative = probabilities.double().cumsum(1)
    reached = cumulative.gather(1, found[:, None])[:, 0] / cumulative[:, -1]
    assert (reached > uniform - 1e-12).all()
    assert len(found.unique()) > 50
    assert (probabilities.gather(1, found[:, None]) > 0).all()


@pytest.mark.parametrize("size", [5, sampling.WHOLE + 1])
def test_of_a_row_that_is_not_finite_some_token_is_drawn(size):
    """Whoever draws sees it by its log-probability; a number beyond the vocabulary would crash a GPU."""
    rows = torch.full((3, size), 1.0)
    rows[0], rows[1, 2], rows[2, -1] = torch.nan, torch.inf, torch.nan
    tokens = draw(rows, torch.tensor([0.3, 0.9, 0.99], dtype=torch.float64))
    assert ((tokens >= 0) & (tokens < size)).all()


def test_a_completion_stops_at_its_end_mark_or_is_truncated(policy):
    rollouts = sample(replace(policy, eos_ids=tuple(range(0, 60))))
    for completion, truncated in zip(rollouts.completions(), rollouts.truncated_N.tolist(), strict=True):
        ends = [token < 60 for token in completion]
        assert not any(ends[:-1])
        assert ends[-1] != truncated
        assert len(completion) == 12 or not truncated


def test_the_same_seed_gives_the_same_rollouts_and_another_does_not(policy):
    first, again, other = sample(policy), sample(policy), sample(policy, seed=1)
    assert torch.equal(first.completion_ids_NT, again.completion_ids_NT)
    assert torch.equal(first.logprobs_NT, again.logprobs_NT)
    assert first.completions() != other.completions()


def test_the_prompt_of_a_group_is_read_once(policy):
    shapes = []
    policy.model.register_forward_pre_hook(lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True)
    sample(policy)
    assert shapes[0] == (3, 5)
    assert shapes[1] == (12, 1)


def test_the_mode_is_left_as_it_was(policy):
    policy.model.train()
    sample(policy)
    assert policy.model.training


def test_a_sliding_window_decodes_too():
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from bbflow.policies import Policy

    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2}
    window = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 0, "num_hidden_layers": 2, "initializer_range": 0.3}
    policy = Policy(Qwen2ForCausalLM(Qwen2Config(**sizes, **window)), None, (0,), 0)
    rollouts = TransformersRollout(group_size=3, max_new_tokens=8).generate(policy, PROMPTS[:1] * 2)
    with eval_mode(policy.model), torch.no_grad():
        expected = completion_logprobs(
            policy.model,
            rollouts.prompt_ids_BP,
            rollouts.prompt_mask_BP,
            rollouts.completion_ids_NT,
            rollouts.completion_mask_NT,
            group_size=3,
        )
    torch.testing.assert_close(rollouts.logprobs_NT, expected, atol=1e-5, rtol=1e-5)


def test_lora_rollouts_use_the_adapter(tiny_qwen_dir):
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2, dropout=0.5)))
    before = sample(policy).completions()
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 1)
    assert sample(policy).completions() != before


def test_groups_selects_whole_groups(policy):
    rollouts = sample(policy)
    chosen = rollouts.groups(torch.tensor([2, 0]))
    assert chosen.completions() == rollouts.completions()[8:12] + rollouts.completions()[:4]
    assert chosen.prompt_ids_BP.tolist() == rollouts.prompt_ids_BP[[2, 0]].tolist()


@pytest.mark.parametrize(("prompts", "message"), [([], "no prompt"), ([[5], []], "no token"), ([[5] * 250], "exceed the model's 256")])
def test_prompts_that_cannot_be_completed_are_refused(policy, prompts, message):
    with pytest.raises(InputError, match=message):
        TransformersRollout(max_new_tokens=12).generate(policy, prompts)


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_broken_policy_is_refused(policy, greedy, bad):
    next(policy.model.parameters()).data[:] = bad
    with pytest.raises(Refused, match="not finite"):
        TransformersRollout(max_new_tokens=3).generate(policy, PROMPTS, greedy=greedy)


def test_settings_are_checked():
    found = TransformersRollout(group_size=0, max_new_tokens=0, temperature=0.0).problems("rollout")
    assert [p.where for p in found] == ["rollout.group_size", "rollout.max_new_tokens", "rollout.temperature"]
