import pytest
import torch
from torch import nn

from bbflow.policies import LoraSettings, PolicySettings, chunked_logits, completion_logprobs, load_policy
from bbflow.policies.chunked_logits import head_logprobs, token_logprobs
from bbflow.policies.sft_logprobs import supervised_logprobs

WORDS, WIDTH, TOKENS = 50, 12, 23


class Model(nn.Module):
    """No more than what stands around a head."""

    def __init__(self, bias=False, dtype=torch.float32):
        super().__init__()
        self.config = type("Config", (), {})()
        self.head = nn.Linear(WIDTH, WORDS, bias=bias, dtype=dtype)

    def get_output_embeddings(self):
        return self.head


def both_ways(model, monkeypatch, temperature=0.7, dtype=torch.float32):
    """Values, and gradients for hidden states, weight and bias, from all logits and from blocks of five tokens."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator, dtype=dtype)
    ids, sent_back = torch.randint(0, WORDS, (TOKENS,), generator=generator), torch.randn(TOKENS, generator=generator, dtype=dtype)
    results = []
    for block in (WORDS * TOKENS, WORDS * 5):
        monkeypatch.setitem(chunked_logits.BLOCK, "cpu", block)
        leaf = hidden.clone().requires_grad_()
        logprobs = head_logprobs(model, leaf, ids, temperature)
        assert ("HeadLogprobs" in logprobs.grad_fn.name()) == (block < WORDS * TOKENS)
        trained = [p for p in model.parameters() if p.requires_grad]
        results.append([logprobs, *torch.autograd.grad((logprobs * sent_back).sum(), [leaf, *trained])])
    return results


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_blocks_give_what_all_logits_give(monkeypatch, bias, trained):
    torch.manual_seed(0)
    model = Model(bias, torch.float64)
    model.head.requires_grad_(trained)
    for found, expected in zip(*both_ways(model, monkeypatch, dtype=torch.float64), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_only_the_bias_is_trained(monkeypatch):
    torch.manual_seed(0)
    model = Model(True, torch.float64)
    model.head.weight.requires_grad_(False)
    for found, expected in zip(*both_ways(model, monkeypatch, dtype=torch.float64), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("trained", [False, True])
def test_under_autocast_the_head_runs_in_its_precision(monkeypatch, trained):
    torch.manual_seed(0)
    model = Model()
    model.head.requires_grad_(trained)
    with torch.autocast("cpu", torch.bfloat16):
        one, other = both_ways(model, monkeypatch)
    assert other[0].dtype == torch.float32
    for found, expected in zip(one, other, strict=True):
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
        assert found.dtype == expected.dtype


def test_several_backward_passes_through_one_graph(monkeypatch):
    monkeypatch.setitem(chunked_logits.BLOCK, "cpu", WORDS)
    torch.manual_seed(0)
    model, hidden = Model(), torch.randn(4, WIDTH, requires_grad=True)
    model.head.requires_grad_(False)
    logprobs = head_logprobs(model, hidden, torch.arange(4))
    first, again = (torch.autograd.grad(logprobs.sum(), hidden, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, again)


def largest_kept(run):
    """Elements of the largest tensor that autograd keeps."""
    seen = [0]

    def pack(tensor):
        seen[0] = max(seen[0], tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run().sum().backward()
    return seen[0]


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=4)])
@pytest.mark.parametrize("way", ["completions", "prompt shared", "supervised"])
def test_no_tensor_of_tokens_and_vocabulary_is_kept(tiny_qwen_dir, monkeypatch, adapter, way):
    model = load_policy(PolicySettings(path=str(tiny_qwen_dir), adapter=adapter)).model.eval()
    ids, prompt = torch.randint(5, 300, (8, 60)), torch.randint(5, 300, (2, 3))
    on, seen = torch.ones_like(ids, dtype=torch.bool), torch.ones_like(prompt, dtype=torch.bool)
    answers = on.clone()
    answers[:, 0] = False
    run = {
        "completions": lambda: completion_logprobs(model, ids[:, :3], on[:, :3], ids[:, 3:], on[:, 3:]),
        "prompt shared": lambda: completion_logprobs(model, prompt, seen, ids, on, group_size=4),
        "supervised": lambda: supervised_logprobs(model, ids, answers),
    }[way]
    words = model.config.vocab_size
    in_full = largest_kept(run)
    assert in_full >= 400 * words
    expected = run()
    monkeypatch.setitem(chunked_logits.BLOCK, "cpu", 20 * words)
    torch.testing.assert_close(run(), expected, atol=1e-5, rtol=0)
    assert largest_kept(run) < in_full / 4  # what the layers keep


def test_a_head_that_something_listens_to_is_called(monkeypatch):
    monkeypatch.setitem(chunked_logits.BLOCK, "cpu", WORDS)
    model, heard = Model(), []
    model.head.register_forward_hook(lambda module, args, output: heard.append(output.shape))
    hidden, ids = torch.randn(6, WIDTH), torch.arange(6)
    torch.testing.assert_close(head_logprobs(model, hidden, ids), token_logprobs(model.head(hidden)[None], ids[None], 1.0)[0])
    assert heard[0] == (6, WORDS)


def test_logits_that_are_reshaped_after_the_head_are_made_in_full():
    model = Model()
    assert chunked_logits.has_plain_head(model)
    model.config.final_logit_softcapping = 30.0
    assert not chunked_logits.has_plain_head(model)
