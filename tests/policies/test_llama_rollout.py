from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from bbflow.errors import InputError
from bbflow.modules import GRPO
from bbflow.optimization import GDPO
from bbflow.policies import Policy, PolicySettings, load_policy
from bbflow.policies.policy import pad
from bbflow.policies.rollouts import LlamaRollout, TransformersRollout
from bbflow.policies.rollouts.llama_decoder import unsupported_reason

PROMPTS = [[5, 9, 11, 40, 7], [8, 30], [30, 31, 32], [12]]
SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "eos_token_id": 1, "bos_token_id": None, "pad_token_id": 0, "initializer_range": 0.3,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
CONFIGS = {
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=False),
    "llama with biases, one key head": LlamaConfig(**{**SHAPE, "num_key_value_heads": 1}, attention_bias=True, mlp_bias=True),
    "llama with scaled positions": LlamaConfig(**SHAPE, rope_parameters=LLAMA3),
    "qwen3 with wide heads": Qwen3Config(**SHAPE, head_dim=16),
}


def policy_of(config, dtype=torch.float32):
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    for parameter in model.parameters():  # norms of ones and biases of zeros would hide what is left out
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return Policy(model.eval(), SimpleNamespace(), (1, 17, 23, 40, 41, 42), 0)


def with_lora(policy, **settings):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(policy.model, LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.2, **settings))
    torch.manual_seed(4)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.2)
    return Policy(model.eval(), policy.tokenizer, policy.eos_ids, policy.pad_id)


def both(policy, greedy=False, **changes):
    made = []
    for engine_class in (TransformersRollout, LlamaRollout):
        engine = engine_class(**{"group_size": 4, "max_new_tokens": 12, "temperature": 1.3, **changes})
        engine.prepare(policy)
        made.append(engine.generate(policy, PROMPTS, generator=torch.Generator().manual_seed(2), greedy=greedy))
    return made


def assert_equal(expected, found, atol=1e-5):
    assert found.completions() == expected.completions()
    torch.testing.assert_close(found.logprobs_NT, expected.logprobs_NT, atol=atol, rtol=0)
    assert found.truncated_N.tolist() == expected.truncated_N.tolist()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_same_tokens_as_transformers(config):
    policy = policy_of(config)
    assert_equal(*both(policy, greedy=True, group_size=1))
    expected, found = both(policy)
    assert len(set(found.lengths_N.tolist())) > 2  # rows end at different steps, so that the batch shrinks on the way
    assert_equal(expected, found)


@pytest.mark.parametrize("config", ["qwen2", "llama", "qwen3 with wide heads"])
def test_lora_is_added_in(config):
    plain = policy_of(CONFIGS[config])
    before = both(plain)[1]
    adapted = with_lora(plain)
    expected, found = both(adapted)
    assert_equal(expected, found)
    assert found.completions() != before.completions()
    with adapted.model.disable_adapter():
        assert_equal(before, both(adapted)[1])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_steps_of_fixed_shape_give_the_same_tokens(config):
    policy = with_lora(policy_of(config))
    engine = LlamaRollout(4, 12, 1.3, graphs=True)
    engine.prepare(policy)
    for greedy in (False, True):
        found = engine.generate(policy, PROMPTS, generator=torch.Generator().manual_seed(2), greedy=greedy)
        assert_equal(both(policy, greedy=greedy)[0], found, atol=2e-5)


def test_the_keys_of_a_prompt_are_kept_once_and_leave_with_its_last_row():
    policy = policy_of(CONFIGS["qwen2"])
    ids, mask = pad(PROMPTS, 0, "left")
    with torch.no_grad():
        decoder = LlamaRollout(3, 4).decoder(policy, ids, mask, 3)
        whole = LlamaRollout(3, 4).decoder(policy, ids, mask, 3)
        tokens = torch.arange(12) + 2
        assert {keys.shape[0] for keys, _ in decoder.prompts} == {4}
        for row in (decoder, whole):
            row.advance(tokens)
        keep = torch.tensor([1, 2, 6, 11])  # none of the second prompt is left
        decoder.select(keep)
        assert {keys.shape[0] for keys, _ in decoder.prompts} == {3}
        decoder.advance(tokens[keep] + 20)
        whole.advance(tokens + 20)
    torch.testing.assert_close(decoder.logits, whole.logits[keep], atol=1e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("graphs", [False, True])
def test_a_gpu_samples_what_a_cpu_samples(config, graphs):
    policy = with_lora(policy_of(config))
    expected = both(policy, greedy=True)[0]
    on_gpu = Policy(policy.model.cuda(), policy.tokenizer, policy.eos_ids, policy.pad_id)
    for engine in (TransformersRollout(4, 12, 1.3), LlamaRollout(4, 12, 1.3, graphs=graphs)):
        engine.prepare(on_gpu)
        found = engine.generate(on_gpu, PROMPTS, generator=torch.Generator("cuda").manual_seed(2), greedy=True)
        assert found.completions() == expected.completions()
        torch.testing.assert_close(found.logprobs_NT.cpu(), expected.logprobs_NT, atol=1e-3, rtol=0)


def test_the_weights_of_now_are_sampled_from():
    policy = policy_of(CONFIGS["qwen2"])
    first = both(policy)[1]
    with torch.no_grad():
        policy.model.model.layers[0].mlp.down_proj.weight.mul_(-2.0)
    expected, found = both(policy)
    assert_equal(expected, found)
    assert found.completions() != first.completions()


@pytest.mark.parametrize("autocast", [False, True])
def test_in_bfloat16_log_probabilities_are_near(autocast):
    policy = policy_of(CONFIGS["qwen2"], torch.float32 if autocast else torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        expected, found = both(policy, greedy=True, group_size=1, max_new_tokens=1)
    torch.testing.assert_close(found.logprobs_NT, expected.logprobs_NT, atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (MistralConfig(**SHAPE), "mistral"),
        (LlamaConfig(**SHAPE, hidden_act="gelu"), "gelu"),
        (Qwen2Config(**SHAPE, use_sliding_window=True, max_window_layers=0, sliding_window=4), "sliding_attention"),
        (LlamaConfig(**SHAPE, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}), "dynamic"),
    ],
)
def test_a_model_that_it_does_not_know_is_refused_with_the_reason(changed, reason):
    with pytest.raises(InputError, match=f"{reason}.*use TransformersRollout"):
        LlamaRollout().prepare(policy_of(changed))


def test_an_adapter_that_is_more_than_a_sum_is_refused():
    assert "whose weight is not a plain matrix" in unsupported_reason(with_lora(policy_of(CONFIGS["qwen2"]), use_dora=True).model)


def test_a_forward_pass_that_was_changed_is_found():
    policy = policy_of(CONFIGS["qwen2"])
    policy.model.model.layers[1].mlp.register_forward_hook(lambda module, args, output: 1.5 * output)
    with pytest.raises(InputError, match="logits differ"):
        LlamaRollout().prepare(policy)


def test_grpo_asks_before_it_begins(vowels, tiny_dir):
    module = GRPO(PolicySettings(path=str(tiny_dir)), {"domain": vowels()}, LlamaRollout(4, 8), GDPO())
    if load_policy(PolicySettings(path=str(tiny_dir))).model.config.model_type == "gpt2":
        with pytest.raises(InputError, match="gpt2"):
            module.configure_model()
    else:
        module.configure_model()
