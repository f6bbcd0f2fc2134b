import pytest
import torch

from bbflow.errors import InputError
from bbflow.policies import LoraSettings, PolicySettings, load_policy
from bbflow.policies.policy import evaluating, pad
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
    with evaluating(adapted.model), evaluating(policy.model), torch.no_grad():
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
    with evaluating(policy.model):
        assert not any(m.training for m in policy.model.modules())
    assert [m.training for m in policy.model.modules()] == before
