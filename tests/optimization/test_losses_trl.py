"""Loss and gradient against TRL's GRPOTrainer: the same model, batch, masks, old log-probabilities and advantages."""

import copy

import pytest
import torch

from bbflow.optimization import LossSettings, batch_normalizer, policy_loss
from bbflow.policies import PolicySettings, completion_logprobs, load_policy
from bbflow.policies.policy import pad

TEMPERATURE, LIMIT = 0.7, 11
PROMPTS = [[5, 9, 11, 40, 7], [8, 30]]
COMPLETIONS = [
    [3, 4, 5, 6],
    [30, 31, 9, 9, 9, 12, 13, 14, 15, 16, 17],
    [8],
    [7, 7, 2],
    [50, 51, 52],
    [60, 2],
    [61, 62, 63, 64, 65],
    [9] * 7,
]
CASES = {
    "grpo": LossSettings("grpo", clip_low=0.2, clip_high=0.28),
    "bnpo": LossSettings("bnpo", clip_low=0.1, clip_high=0.3),
    "dapo": LossSettings("dapo"),
    "dapo with a dual clip": LossSettings("dapo", dual_clip=1.4),
    "dr_grpo": LossSettings("dr_grpo"),
    "cispo": LossSettings("cispo", clip_high=0.2),
    "gspo": LossSettings("gspo", clip_low=0.05, clip_high=0.05),
    "gspo, as published": LossSettings("gspo"),
}


def make_trl(folder, output, settings):
    """TRL's trainer over the same weights, as its own configuration would build it for this loss."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    low, high = settings.clip
    config = GRPOConfig(
        output_dir=str(output), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none", beta=0.0,
        per_device_train_batch_size=8, gradient_accumulation_steps=1, num_generations=4, max_completion_length=LIMIT,
        temperature=TEMPERATURE, loss_type="grpo" if settings.type == "gspo" else settings.type, delta=settings.dual_clip,
        epsilon=low, epsilon_high=1 + high if settings.type == "cispo" else high,
        importance_sampling_level="sequence" if settings.type == "gspo" else "token",
    )  # fmt: skip
    trainer = GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(folder), reward_funcs=[lambda completions, **_: [0.0] * len(completions)], args=config,
        train_dataset=Dataset.from_dict({"prompt": ["x"] * 8}), processing_class=AutoTokenizer.from_pretrained(folder),
    )  # fmt: skip
    trainer.current_gradient_accumulation_steps = 1  # what its training loop sets
    trainer.model.train()
    return trainer


def gradient(model):
    return torch.cat([p.grad.flatten() for _, p in sorted(model.named_parameters())])


@pytest.mark.parametrize("masked", [False, True], ids=["all", "one completion masked"])
@pytest.mark.parametrize("old", [None, 0.3], ids=["on-policy", "off-policy"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_equal_those_of_trl(tiny_qwen_dir, tmp_path, case, old, masked):
    settings, advantages = CASES[case], torch.tensor([1.5, -0.5, -1.2, 0.2, 0.0, 0.9, -0.7, -0.2])
    (prompts, prompt_mask), (completions, completion_mask) = pad(PROMPTS, 0, "left"), pad(COMPLETIONS, 0, "right")
    mask = completion_mask.clone()
    if masked:
        mask[1] = False

    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir)))
    logprobs = completion_logprobs(
        policy.model, prompts, prompt_mask, completions, completion_mask, group_size=4, temperature=TEMPERATURE
    )  # fmt: skip
    old_logprobs = None
    if old is not None:
        old_logprobs = logprobs.detach() + old * torch.randn(logprobs.shape, generator=torch.Generator().manual_seed(0))
    loss = policy_loss(logprobs, mask, advantages, settings, old_logprobs_NT=old_logprobs)
    if old is not None and not case.endswith("published"):
        assert 0 < int(loss.clipped) < int(mask.sum())
    total = loss.total / batch_normalizer(mask, settings, LIMIT)
    total.backward()

    trainer = make_trl(tiny_qwen_dir, tmp_path, settings)
    inputs = {
        "prompt_ids": prompts.repeat_interleave(4, 0), "prompt_mask": prompt_mask.repeat_interleave(4, 0).long(),
        "completion_ids": completions, "completion_mask": mask.long(), "advantages": advantages, "num_items_in_batch": mask.sum(),
    }  # fmt: skip
    if old_logprobs is not None:
        inputs["old_per_token_logps"] = old_logprobs
    theirs = trainer._compute_loss(trainer.model, copy.copy(inputs))
    theirs.backward()

    torch.testing.assert_close(total.detach(), theirs.detach(), atol=1e-5, rtol=1e-5)
    expected = gradient(trainer.model)
    assert expected.abs().max() > 1e-3
    assert (gradient(policy.model) - expected).norm() <= 1e-5 * expected.norm()
