"""Seven test pairs on two processes: `python ddp_reward_accuracy.py POLICY_FOLDER OUTPUT` writes what each rank logs."""

import json
import sys
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from bbflow.data.preference_pairs import PreferencePair
from bbflow.evaluation.pair_scores import PairScores
from bbflow.modules import RewardModel
from bbflow.policies import PolicySettings
from bbflow.policies.reward_heads import Scored

PAIRS = [("factual", 1), ("factual", 1), ("safety", 0), ("workflow", 1), ("factual", 0), ("reasoning", 1), ("reasoning", 0)]
"""Head of each pair and whether it is ranked rightly: of two ranks one has the safety, the other the workflow, in unlike numbers."""


class Judged(RewardModel):
    """Ranks a pair as its id says."""

    def score_pairs(self, pairs):
        won = torch.tensor([PAIRS[int(pair.pair_id)][1] for pair in pairs] + [0.5] * len(pairs))
        return PairScores(pairs, Scored(won[:, None], torch.ones(len(won), 1), torch.zeros(len(won), dtype=torch.bool)))


def tested(folder, processes):
    """Rank, and what a test run logs."""
    prompt = [{"role": "user", "content": "Which drug?"}]
    pairs = [PreferencePair(str(i), prompt, "a", "b", "sibling_entity", head, 0.5, "t", "c", "test") for i, (head, _) in enumerate(PAIRS)]
    module = Judged(PolicySettings(path=folder))
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    (logged,) = trainer.test(module, torch.utils.data.DataLoader(pairs, batch_size=2, collate_fn=module.collate), verbose=False)
    return trainer.global_rank, logged


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, found = tested(sys.argv[1], 2)
    Path(f"{sys.argv[2]}.{rank}").write_text(json.dumps(found))
