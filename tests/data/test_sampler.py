from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from bbflow.data import KnowledgeGraphData
from bbflow.data.sampler import TrainingOrder
from bbflow.graph import ClinicalPack
from bbflow.modules.batch import Batch


def test_batches_hold_examples_of_like_length_and_every_example_once() -> None:
    lengths = [i * 7919 % 101 for i in range(230)]
    sampler = TrainingOrder(230, 10, seed=0, lengths=lengths)
    order = list(sampler)
    assert sorted(order) == list(range(230))
    spread = [max(b) - min(b) for b in ([lengths[i] for i in order[k : k + 10]] for k in range(0, 160, 10))]
    assert sum(spread) / len(spread) < 15  # a random batch of ten spreads over about 80
    sampler.set_epoch(1)
    assert order != list(sampler)


@given(
    size=st.integers(1, 90), batch_size=st.integers(1, 9), world_size=st.integers(1, 4), grouped=st.booleans(), data=st.data()
)  # fmt: skip
def test_what_is_left_of_an_epoch_is_what_was_not_trained_on(size, batch_size, world_size, grouped, data) -> None:
    lengths = [i * 31 % 17 for i in range(size)] if grouped else None
    seen = []
    for rank in range(world_size):
        order = list(TrainingOrder(size, batch_size, 5, lengths, rank, world_size, epoch=2))
        seen += order
        done = data.draw(st.integers(0, max(0, len(order) // batch_size - 1)))
        rest = TrainingOrder(size, batch_size, 5, lengths, rank, world_size, epoch=2, done=done)
        assert len(rest) == len(order)
        assert list(rest)[: len(order) - done * batch_size] == order[done * batch_size :]
        assert list(rest) == order  # once only: the next pass is a whole epoch
    assert set(seen) == set(range(size))
    assert len(seen) - size < world_size  # no more are seen twice than make the shares equal


def test_like_lengths_go_to_all_processes_of_a_step() -> None:
    lengths = [i * 7919 % 101 for i in range(400)]
    first, second = (list(TrainingOrder(400, 5, 0, lengths, rank, 2)) for rank in range(2))
    spread = [max(b) - min(b) for b in ([lengths[i] for i in first[k : k + 5] + second[k : k + 5]] for k in range(0, 160, 5))]
    assert sum(spread) / len(spread) < 15


class Notes(LightningModule):
    """Notes which examples it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[str]] = []

    def collate(self, examples):
        return Batch(examples)

    def training_step(self, batch, batch_idx):
        self.seen.append([e.example_id for e in batch.examples])
        torch.rand(3)  # whatever else a run draws
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.log("score", 0.0, batch_size=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("stopped", [1, 2, 3, 4, 5, 6, 7, 9])
def test_a_resumed_run_sees_the_examples_that_the_whole_one_would_have_seen(tmp_path: Path, stopped: int) -> None:
    """Four batches an epoch and a validation every three steps: stops within an epoch, at its end and beside a validation."""

    def run(steps: int, resume: str | None = None) -> list[list[str]]:
        seed_everything(3, verbose=False)
        module = Notes()
        data = KnowledgeGraphData(
            ClinicalPack(core=True), contract=None, train_size=50, validation_size=8, test_size=8, batch_size=12, cache_dir=str(tmp_path)
        )  # fmt: skip
        trainer = Trainer(
            max_steps=steps, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            val_check_interval=3, check_val_every_n_epoch=None, default_root_dir=tmp_path,
            callbacks=[ModelCheckpoint(tmp_path / "kept", filename="{step}", every_n_train_steps=1, save_top_k=-1)],
        )  # fmt: skip
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
        return module.seen

    whole = run(10)
    assert len({tuple(batch) for batch in whole}) == 10
    assert run(10, str(tmp_path / "kept" / f"step={stopped}.ckpt")) == whole[stopped:]
