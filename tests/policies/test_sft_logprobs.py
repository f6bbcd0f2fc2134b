import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbflow.policies import LoraSettings, PolicySettings, load_policy
from bbflow.policies.sft_logprobs import isolates_packed_sequences, pack, supervised_logprobs


@pytest.mark.parametrize("adapter", [None, LoraSettings(r=2)], ids=["full", "lora"])
def test_values_and_gradients_equal_the_plain_forward_of_each_row(tiny_dir, adapter) -> None:
    """Padding on the right and the head on chosen positions change nothing, in two architectures, with and without adapter."""
    model = load_policy(PolicySettings(path=str(tiny_dir), adapter=adapter)).model.eval()
    rows, prompts = [[5, 9, 8, 30, 31], [7, 6, 40], [4, 4, 4, 4, 12, 13, 14, 15]], [2, 1, 4]
    ids = torch.tensor([row + [0] * (8 - len(row)) for row in rows])
    mask = torch.tensor([[n <= i < len(row) for i in range(8)] for row, n in zip(rows, prompts, strict=True)])
    trained = [p for p in model.parameters() if p.requires_grad]

    got = supervised_logprobs(model, ids, mask)
    got_gradient = torch.autograd.grad(got.sum(), trained)
    total = torch.zeros(())
    for i, (row, n) in enumerate(zip(rows, prompts, strict=True)):
        logprobs = model(torch.tensor([row])).logits[0].log_softmax(-1)
        expected = torch.stack([logprobs[t - 1, row[t]] for t in range(n, len(row))])
        torch.testing.assert_close(got[i][mask[i]], expected, atol=1e-5, rtol=1e-5)
        total = total + expected.sum()
    assert (got[~mask] == 0).all()
    for one, other in zip(got_gradient, torch.autograd.grad(total, trained), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20))
def test_packing_loses_no_sequence_and_no_row_overflows(lengths: list[int]) -> None:
    rows = pack(lengths, 10)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    for row in rows:
        assert len(row) == 1 or sum(lengths[i] for i in row) <= 10
    assert len(rows) <= max(len([n for n in lengths if n > 5]), 0) + -(-2 * sum(n for n in lengths if n <= 5) // 10) + 1


def test_a_model_that_lets_packed_sequences_read_each_other_is_found_out(tiny_dir) -> None:
    model = load_policy(PolicySettings(path=str(tiny_dir))).model
    assert isolates_packed_sequences(model)
    decoder = model.get_decoder()
    forward = decoder.forward
    decoder.forward = lambda input_ids, position_ids=None, **kwargs: forward(input_ids=input_ids, **kwargs)
    assert not isolates_packed_sequences(model)
