import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from bbflow.errors import InputError
from bbflow.policies import LoraSettings, PolicySettings, load_policy
from bbflow.policies.loading import hub_problems
from bbflow.policies.policy import eval_mode, pad
from bbflow.records import Message


@pytest.fixture
def policy(tiny_qwen_dir):
    return load_policy(PolicySettings(path=str(tiny_qwen_dir)))


def test_a_loaded_policy_is_in_train_mode(policy):
    assert all(module.training for module in policy.model.modules())


def test_the_prompt_ends_where_the_assistant_begins(policy):
    ids = policy.prompt_ids([Message(role="user", content="Which drug?")])
    assert policy.tokenizer.decode(ids) == "<|im_start|>user\nWhich drug?<|im_end|>\n<|im_start|>assistant\n"


def test_a_response_ends_with_the_end_mark_and_decodes_without_it(policy):
    ids = policy.response_ids("Answer: amlodipine")
    assert ids[-1] == policy.tokenizer.eos_token_id
    assert policy.texts([ids]) == ["Answer: amlodipine"]


def test_a_tokenizer_without_template_gets_plain_lines(policy):
    policy.tokenizer.chat_template = None
    ids = policy.prompt_ids([Message(role="system", content="Be brief."), Message(role="user", content="Why?")])
    assert policy.tokenizer.decode(ids) == "Be brief.\nWhy?\n"


def test_every_end_mark_is_known(policy, tmp_path):
    policy.model.generation_config.eos_token_id = [policy.tokenizer.eos_token_id, 7]
    policy.model.save_pretrained(tmp_path)
    policy.tokenizer.save_pretrained(tmp_path)
    assert load_policy(PolicySettings(path=str(tmp_path))).eos_ids == (policy.tokenizer.eos_token_id, 7)


def test_random_initialisation_draws_new_weights_from_the_seed(tiny_qwen_dir, policy):
    def first():
        torch.manual_seed(3)
        return next(load_policy(PolicySettings(path=str(tiny_qwen_dir), initialize="random")).model.parameters()).detach()

    assert torch.equal(first(), first())
    assert not torch.equal(first(), next(policy.model.parameters()))


def test_bfloat16_weights(tiny_qwen_dir):
    model = load_policy(PolicySettings(path=str(tiny_qwen_dir), dtype="bfloat16")).model
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_an_adapter_trains_alone_and_changes_nothing_at_first(tiny_qwen_dir, policy):
    adapted = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2, use_rslora=True)))
    trained = [name for name, p in adapted.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    ids = torch.tensor([[5, 6, 7]])
    with eval_mode(adapted.model), eval_mode(policy.model), torch.no_grad():
        assert torch.allclose(adapted.model(ids).logits, policy.model(ids).logits, atol=1e-6)


def test_a_trained_adapter_is_loaded_and_trained_on(tiny_qwen_dir, tmp_path):
    adapted = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2)))
    adapted.model.save_pretrained(tmp_path)
    adapted.tokenizer.save_pretrained(tmp_path)
    again = load_policy(PolicySettings(path=str(tmp_path)))
    assert not again.fresh_adapter
    assert any(p.requires_grad for p in again.model.parameters())
    with pytest.raises(InputError, match="an adapter already"):
        load_policy(PolicySettings(path=str(tmp_path), adapter=LoraSettings()))


def test_a_tokenizer_larger_than_the_model_is_refused(tiny_qwen_dir, tmp_path):
    small = load_policy(PolicySettings(path=str(tiny_qwen_dir)))
    small.model.resize_token_embeddings(50)
    small.model.save_pretrained(tmp_path)
    small.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="tokenizer knows"):
        load_policy(PolicySettings(path=str(tmp_path)))


def test_padding_masks_come_from_lengths():
    ids, mask = pad([[0, 0], [0]], 0, "right")
    assert ids.tolist() == [[0, 0], [0, 0]]
    assert mask.tolist() == [[True, True], [True, False]]


def test_evaluating_restores_every_module(policy):
    policy.model.model.layers[0].eval()
    before = [m.training for m in policy.model.modules()]
    with eval_mode(policy.model):
        assert not any(m.training for m in policy.model.modules())
    assert [m.training for m in policy.model.modules()] == before


@pytest.fixture
def damaged(tiny_qwen_dir, tmp_path):
    """A copy of a policy's folder, to be damaged."""
    shutil.copytree(tiny_qwen_dir, tmp_path / "policy")
    return tmp_path / "policy"


def refusal(folder):
    with pytest.raises(InputError) as caught:
        load_policy(PolicySettings(path=str(folder)))
    return str(caught.value)


def edit_weights(folder, name, change):
    weights = load_file(folder / name)
    change(weights)
    save_file(weights, folder / name, {"format": "pt"})


def edit_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_weights_that_lack_parameters_are_refused_not_drawn_at_random(damaged):
    edit_weights(damaged, "model.safetensors", lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))
    assert re.search(
        r"policy\.path: .*the weights lack 1 of the parameters, such as model\.layers\.1\.mlp\.up_proj\.weight", refusal(damaged)
    )


def test_a_configuration_with_fewer_layers_than_the_weights_is_refused(damaged):
    edit_config(damaged, num_hidden_layers=1, layer_types=["full_attention"])
    assert re.search(r"the configuration has no place for 12 of the parameters, such as model\.layers\.1\.", refusal(damaged))


def test_tensors_that_belong_to_no_causal_model_are_left_out_with_a_warning(damaged):
    edit_weights(damaged, "model.safetensors", lambda weights: weights.update({"vision.patch.weight": torch.zeros(2)}))
    with pytest.warns(UserWarning, match=r"1 tensors are no part of a causal language model and are left out, such as vision\.patch"):
        load_policy(PolicySettings(path=str(damaged)))


def test_weights_of_other_shapes_and_damaged_files_are_refused(damaged):
    whole = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "policy' cannot be loaded: " in refusal(damaged)
    (damaged / "model.safetensors").write_bytes(b"no safetensors")
    assert "policy' cannot be loaded: " in refusal(damaged)
    (damaged / "model.safetensors").write_bytes(whole)
    edit_config(damaged, intermediate_size=48)
    assert "policy' cannot be loaded: " in refusal(damaged)


def test_an_encoder_is_no_policy(tiny_tokenizer, tmp_path):
    from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel

    torch.manual_seed(0)
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": len(tiny_tokenizer),
    }
    BertForMaskedLM(BertConfig(**small)).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    assert "an encoder?" in refusal(tmp_path)
    BertLMHeadModel(BertConfig(**small, is_decoder=True)).save_pretrained(tmp_path)  # the same as a decoder is one
    assert load_policy(PolicySettings(path=str(tmp_path))).model.config.is_decoder


def test_an_adapter_that_does_not_fit_is_refused(tiny_qwen_dir, tmp_path):
    adapted = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=LoraSettings(r=2)))
    adapted.model.save_pretrained(tmp_path)
    adapted.tokenizer.save_pretrained(tmp_path)
    name = "adapter_model.safetensors"
    whole = (tmp_path / name).read_bytes()
    edit_weights(tmp_path, name, lambda weights: weights.pop(min(weights)))
    assert "the adapter's weights lack 1 of its parameters" in refusal(tmp_path)
    (tmp_path / name).write_bytes(whole)
    edit_weights(tmp_path, name, lambda weights: weights.update(extra=torch.zeros(2)))
    assert "the base has no place for 1 of its parameters, such as extra" in refusal(tmp_path)
    (tmp_path / name).write_bytes(whole)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "r": 3}))
    assert "the adapter does not fit its base" in refusal(tmp_path)


def test_a_hub_that_cannot_be_reached_is_told_at_once(monkeypatch):
    from huggingface_hub import HfApi, constants

    def unreachable(self, source, timeout):
        raise OSError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    [problem] = hub_problems("some/policy", "policy.path")
    assert str(problem).startswith(
        "policy.path: 'some/policy' is not on this machine, and the Hub cannot be reached: Name or service not known"
    )
    with pytest.raises(InputError, match="the Hub cannot be reached"):
        load_policy(PolicySettings(path="some/policy"))


def test_the_hub_is_not_asked_about_folders_nor_when_it_is_switched_off(tiny_qwen_dir, monkeypatch):
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: pytest.fail("asked the Hub"))
    assert hub_problems(str(tiny_qwen_dir), "x") == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_problems("some/policy", "x") == []
