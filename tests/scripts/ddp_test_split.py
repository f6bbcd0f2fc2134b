"""Five test items on two processes: `python ddp_test_split.py POLICY_FOLDER OUTPUT` writes the score table that each rank holds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from conftest import ListData, make_example, make_vowels
from lightning.pytorch import Trainer

from bbflow.modules import SFT
from bbflow.policies import PolicySettings


def tested(folder, processes):
    """Rank, score table and logged mean of a test run."""
    examples = [make_example(i, question="Why? " * (1 + i)) for i in range(5)]
    module = SFT(PolicySettings(path=folder), {"domain": make_vowels()}, max_new_tokens=4)
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    (logged,) = trainer.test(module, ListData(validation=examples, batch_size=2), verbose=False)
    return trainer.global_rank, module.scores, logged["test/domain"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, scores, mean = tested(sys.argv[1], 2)
    scores.assign(mean=mean).to_parquet(f"{sys.argv[2]}.{rank}")
