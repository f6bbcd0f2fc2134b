"""One scalar step under FSDP on CPU processes: `python fsdp_step.py POLICY_FOLDER PROCESSES OUTPUT [grpo|sft|sft-wrapped]`.

Lightning gives FSDP to GPUs alone; the subclass below takes the same way on gloo. Writes norms, scores and the whole parameters after the
step, by rank.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from conftest import ListData, make_example, make_vowels
from ddp_step import Recorded
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from bbflow.modules import GRPO, SFT
from bbflow.modules.training.distributed import total_norm, whole_parameters
from bbflow.optimization import GDPO, KLSettings, OptimizerSettings
from bbflow.policies import PolicySettings


class OnCPU(FSDPStrategy):
    """FSDP where Lightning does not offer it."""

    @property
    def root_device(self):
        return torch.device("cpu")

    def _setup_model(self, model):
        return FullyShardedDataParallel(model, device_id=self.root_device, sharding_strategy=self.sharding_strategy, **self.kwargs)


def steps(folder, processes, kind="grpo"):
    """Rank, and what one clipped step with weight decay left, however many processes share it."""
    examples = [make_example(i, question="Why? " * (1 + i), answer="word " * (1 + i)) for i in range(4)]
    capabilities = {"domain": make_vowels("aeiou"), "safety": make_vowels("xyz", tasks=["fact_recall"])}
    policy, optimizer = PolicySettings(path=folder), OptimizerSettings(learning_rate=1e-2, weight_decay=0.5)
    if kind == "grpo":
        module = GRPO(policy, capabilities, Recorded(), GDPO(), optimizer=optimizer, kl=KLSettings(0.1))
    else:
        module = SFT(policy, capabilities, optimizer=optimizer, max_new_tokens=8)
    sharded = OnCPU(process_group_backend="gloo", auto_wrap_policy={Qwen2DecoderLayer} if kind == "sft-wrapped" else None)
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy=sharded if processes > 1 else "auto", max_steps=1,
        gradient_clip_val=0.05, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, ListData(examples, examples, batch_size=4 // processes))
    metrics = {name: float(trainer.callback_metrics[name]) for name in ("train/grad_norm", "validation/domain", "validation/safety")}
    moments = [state["exp_avg"] for state in trainer.optimizers[0].state.values() if "exp_avg" in state]
    metrics["clipped"] = 10 * float(total_norm(trainer, moments))  # Adam keeps a tenth of the first gradient
    with whole_parameters(trainer):
        whole = torch.cat([p.detach().flatten().clone() for p in module.parameters()])
    return trainer.global_rank, (metrics, whole)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, left = steps(sys.argv[1], int(sys.argv[2]), *sys.argv[4:5])
    torch.save(left, f"{sys.argv[3]}.{rank}")
