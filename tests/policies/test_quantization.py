"""A base in 4 or 8 bits below an adapter: what is refused without bitsandbytes, and, where it is installed, that it trains."""

from importlib.util import find_spec

import pytest
import torch

from bbflow.errors import InputError
from bbflow.modules import GRPO, SFT
from bbflow.optimization import GDPO, KLSettings
from bbflow.optimization.weightings import UPGrad
from bbflow.policies import LoraSettings, PolicySettings, load_policy, settings
from bbflow.policies.loading import quantization
from bbflow.policies.rollouts import TransformersRollout

installed = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is an extra")


def problems(monkeypatch, present, **changes):
    monkeypatch.setattr(settings, "find_spec", lambda name: object() if present else None)
    return [str(p) for p in PolicySettings(**changes).problems("model.init_args.policy")]


def test_without_bitsandbytes_it_is_refused_before_anything_is_loaded(monkeypatch, tiny_qwen_dir, example, vowels, make_trainer, make_data):
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    module = SFT(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(), quantize="4bit"), {"domain": vowels()})
    with pytest.raises(InputError, match=r"model\.init_args\.policy\.quantize: bitsandbytes is not installed \(pip install"):
        make_trainer(max_steps=1).fit(module, make_data([example(1)]))
    assert module.policy is None


def test_what_makes_no_sense_is_refused_together(monkeypatch, tiny_qwen_dir):
    found = problems(monkeypatch, False, path=str(tiny_qwen_dir), quantize="8bit", initialize="random")
    assert len(found) == 3
    assert "weights in 8 bits cannot be trained" in found[1]
    assert "only pretrained weights are quantised" in found[2]
    assert problems(monkeypatch, True, path=str(tiny_qwen_dir), quantize="8bit", adapter=LoraSettings()) == []


def test_an_adapter_that_was_trained_before_is_one(monkeypatch, tiny_qwen_dir, tmp_path):
    policy = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2)))
    policy.model.save_pretrained(tmp_path)
    policy.tokenizer.save_pretrained(tmp_path)
    assert problems(monkeypatch, True, path=str(tmp_path), quantize="4bit") == []


def test_what_bitsandbytes_is_told():
    four = quantization(PolicySettings(quantize="4bit", dtype="bfloat16"))
    assert (four.load_in_4bit, four.bnb_4bit_quant_type, four.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert four.bnb_4bit_compute_dtype == torch.bfloat16
    eight = quantization(PolicySettings(quantize="8bit"))
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)


@installed
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_it_trains_the_adapter_and_comes_back(tiny_qwen_dir, example, vowels, make_trainer, make_data, tmp_path, bits, kind):
    def module():
        policy = PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=4), quantize=bits)
        capabilities = {"domain": vowels("aeiou"), "safety": vowels("nr", tasks=["fact_recall"])}
        if kind == "sft":
            return SFT(policy, capabilities, weighting=UPGrad())
        return GRPO(policy, capabilities, TransformersRollout(4, 8), GDPO(), weighting=UPGrad(), kl=KLSettings(0.1))

    torch.manual_seed(5)
    first, data = module(), make_data([example(i, question=f"Question {i}?") for i in range(8)])
    trainer = make_trainer(max_steps=2, gradient_clip_val=1.0)
    trainer.fit(first, data)
    layer = first.model.get_base_model().model.layers[0].mlp.up_proj.base_layer
    assert layer.weight.element_size() == 1
    assert first.last_geometry.mode == "factored"
    assert torch.isfinite(trainer.callback_metrics["train/grad_norm"])
    trained = {name: p for name, p in first.model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    trainer.save_checkpoint(tmp_path / "c.ckpt")
    again = module()
    make_trainer(max_steps=2).fit(again, data, ckpt_path=tmp_path / "c.ckpt", weights_only=True)
    for name, parameter in again.model.named_parameters():
        assert name not in trained or torch.equal(parameter, trained[name])
