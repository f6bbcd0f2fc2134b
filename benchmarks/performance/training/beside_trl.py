"""A training step beside TRL's: the same weights, trained parameters, prompts, lengths, precision and rewards, in turns.

Run: python benchmarks/performance/training/beside_trl.py [grpo|lora|sft] [--rounds 3] [--steps 6]   (extra `bench`). The last line is JSON.
On a GPU: ... --device cuda --shape qwen2.5-0.5b --prompts 32 --prompt_tokens 256 --completion_tokens 256 --trl_batch 32 [--engine llama-graphs]:
bfloat16 on both sides; TRL in micro-batches of so many completions, as its logits ask for (not run yet, for want of a GPU).

`grpo`: full parameters, one gradient of the weighted sum on both sides; 8 prompts of 128 tokens x 8 completions of exactly 64, four rewards,
on-policy, no KL, gradient checkpointing off, float32, a Qwen2 of 3.9M parameters with random weights. `lora`: r = 16 on every linear
layer of both sides, and bbflow takes a gradient per capability (K = 4) with exact UPGrad, while TRL sums the rewards. `sft`: packed rows of
512 tokens, the response supervised. Each turn is a process of its own: its first two steps are dropped, the median of the others counts,
with the peak of its memory. The ratio is the median over rounds of TRL's seconds over bbflow's seconds of the same round.
TRL generates with transformers; inference servers (vLLM) are not compared.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

GROUP, WIDTH = 8, 512
LETTERS = ("aeiou", "stxyz", "lmnr", "bcdf")
SHAPES: dict[str, dict[str, int]] = {
    "small": {"hidden_size": 256, "intermediate_size": 832, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2},
    "qwen2.5-0.5b": {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
    "qwen2.5-1.5b": {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
}  # fmt: skip
"""`small` has the words of the bundled policy's tokenizer; of the others most words have no text, which costs nobody anything."""
ENGINES = ("transformers", "llama", "llama-graphs")
LORA = {"r": 16, "target_modules": "all-linear"}


def share(text: str, letters: str) -> float:
    """The reward of both sides: the share of some letters in a completion."""
    return sum(c.lower() in letters for c in text) / max(1, len(text))


def save_model(folder: Path, shape: str) -> None:
    """Random weights under the tokenizer of the bundled policy."""
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    from bbflow.policies import PolicySettings, load_policy

    tokenizer = load_policy(PolicySettings()).tokenizer
    torch.manual_seed(0)
    config = Qwen2Config(
        **{"vocab_size": len(tokenizer), **SHAPES[shape]}, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).eos_token_id == tokenizer.eos_token_id


def examples_of(tokenizer: Any, kind: str, count: int, prompt_tokens: int) -> list[Any]:
    """Examples of the clinical pack; for rollouts their prompts are filled up to exactly `prompt_tokens` tokens, template included."""
    from bbflow.graph import ClinicalPack
    from bbflow.synthesis import generate
    from bbflow.synthesis.tasks import MultiHop

    made = generate(ClinicalPack().load(), {"multi_hop": MultiHop()}, {"train": count}, {}, seed=0).examples["train"]
    if kind == "sft":
        return made
    from dataclasses import replace

    filled = []
    for example in made:
        text, filler = example.messages[0]["content"], " the"
        while len(rendered_ids(tokenizer, text)) < prompt_tokens:
            text += filler
        if len(rendered_ids(tokenizer, text)) == prompt_tokens:
            filled.append(replace(example, messages=[{"role": "user", "content": text}]))
    return filled


def rendered(tokenizer: Any, text: str) -> str:
    return tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)


def rendered_ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(rendered(tokenizer, text), add_special_tokens=False)["input_ids"]


def run_bbflow(folder: Path, kind: str, steps: int, chosen: argparse.Namespace) -> tuple[list[float], int, list[int]]:
    from dataclasses import replace

    from lightning.pytorch import Callback, LightningDataModule, Trainer
    from torch.utils.data import DataLoader

    from bbflow.capabilities import Capability
    from bbflow.modules import GRPO, SFT
    from bbflow.modules.training.settings import InterferenceSettings
    from bbflow.optimization import GDPO, OptimizerSettings
    from bbflow.optimization.weightings import UPGrad
    from bbflow.policies import LoraSettings, PolicySettings, load_policy
    from bbflow.policies.rollouts import LlamaRollout, TransformersRollout
    from bbflow.rewards.base import Reward

    class Letters(Reward):
        def __init__(self, letters: str) -> None:
            self.letters = letters

        def __call__(self, examples: Any, completions: Any) -> list[Any]:
            return [share(text, self.letters) for text in completions]

    class Clock(Callback):
        def __init__(self) -> None:
            self.start, self.seconds, self.tokens = 0.0, list[float](), list[int]()

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.seconds.append(time.perf_counter() - self.start)
            if kind == "sft":
                self.tokens.append(int((batch.tensors["ids"] != module.policy.pad_id).sum()))
            else:
                self.tokens.append(int(module.last_rollouts and chosen.prompts * GROUP * chosen.completion_tokens))
                assert all(module.last_rollouts.truncated)

    class Data(LightningDataModule):
        def train_dataloader(self) -> Any:
            return DataLoader(examples, batch_size=per_step, collate_fn=self.trainer.lightning_module.collate)

    micro_batch_tokens = chosen.micro_batch_tokens if chosen.side == "micro" else None
    policy = PolicySettings(path=str(folder), adapter=LoraSettings(**LORA) if kind == "lora" else None)
    tokenizer = load_policy(PolicySettings(path=str(folder))).tokenizer
    per_step = 50 if kind == "sft" else chosen.prompts
    examples = examples_of(tokenizer, kind, per_step * steps * (1 if kind == "sft" else 3), chosen.prompt_tokens)
    settings = OptimizerSettings(learning_rate=1e-4, schedule="constant")
    if kind == "sft":
        module: Any = SFT(policy, optimizer=settings, packing=True, max_length=WIDTH, micro_batch_tokens=micro_batch_tokens)
    else:
        capabilities = {
            f"letters_{letters}": Capability(metric=Letters(letters), rewards={"share": Letters(letters)}) for letters in LETTERS
        }
        sizes = {"group_size": GROUP, "max_new_tokens": chosen.completion_tokens}
        rollout = (
            TransformersRollout(**sizes) if chosen.engine == "transformers" else LlamaRollout(**sizes, graphs="graphs" in chosen.engine)
        )
        weighting = UPGrad() if kind == "lora" else None
        module = GRPO(
            policy, capabilities, rollout, GDPO(), optimizer=settings, weighting=weighting, interference=InterferenceSettings(with_weighting=False),
            micro_batch_tokens=micro_batch_tokens,
        )  # fmt: skip
    module.configure_model()
    if kind != "sft":
        module.policy = replace(module.policy, eos_ids=(-1,))  # nothing ends a completion
    clock = Clock()
    trainer = Trainer(
        max_steps=steps, accelerator="cpu" if chosen.device == "cpu" else "gpu", devices=1,
        precision="32-true" if chosen.device == "cpu" else "bf16-mixed", callbacks=[clock], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=1.0,
    )  # fmt: skip
    trainer.fit(module, Data())
    return clock.seconds, sum(p.numel() for p in module.parameters() if p.requires_grad), clock.tokens


def run_trl(folder: Path, kind: str, steps: int, chosen: argparse.Namespace) -> tuple[list[float], int, list[int]]:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.start, self.seconds = 0.0, list[float]()

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.start = time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.seconds.append(time.perf_counter() - self.start)

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokens: list[int] = []
    common = {
        "output_dir": str(folder / "trl"), "use_cpu": chosen.device == "cpu", "bf16": chosen.device != "cpu", "gradient_checkpointing": False, "report_to": "none",
        "max_steps": steps, "learning_rate": 1e-4, "lr_scheduler_type": "constant", "save_strategy": "no", "logging_steps": 1000,
        "disable_tqdm": True, "max_grad_norm": 1.0,
    }  # fmt: skip
    if kind == "sft":
        examples = examples_of(tokenizer, kind, 50 * steps, chosen.prompt_tokens)
        rows = {
            "prompt": [rendered(tokenizer, e.messages[0]["content"]) for e in examples],
            "completion": [e.response + tokenizer.eos_token for e in examples],
        }
        settings = SFTConfig(packing=True, max_length=WIDTH, per_device_train_batch_size=8, completion_only_loss=True, **common)
        trainer: Any = SFTTrainer(model, args=settings, train_dataset=Dataset.from_dict(rows), processing_class=tokenizer)
        collate = trainer.data_collator

        def counting(features: Any) -> Any:
            tokens.append(sum(len(f["input_ids"]) for f in features))
            return collate(features)

        trainer.data_collator = counting
    else:
        examples = examples_of(tokenizer, kind, 3 * chosen.prompts * steps, chosen.prompt_tokens)
        rewards = [lambda completions, letters=letters, **_: [share(c, letters) for c in completions] for letters in LETTERS]
        for reward, letters in zip(rewards, LETTERS, strict=True):
            reward.__name__ = letters
        at_once = chosen.trl_batch or chosen.prompts * GROUP
        settings = GRPOConfig(
            beta=0.0, per_device_train_batch_size=at_once, num_generations=GROUP, max_completion_length=chosen.completion_tokens,
            temperature=1.0, gradient_accumulation_steps=chosen.prompts * GROUP // at_once,
            generation_kwargs={"min_new_tokens": chosen.completion_tokens}, **common,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model, reward_funcs=rewards, args=settings, processing_class=tokenizer,
            train_dataset=Dataset.from_dict({"prompt": [rendered(tokenizer, e.messages[0]["content"]) for e in examples]}),
            peft_config=LoraConfig(**LORA, task_type="CAUSAL_LM") if kind == "lora" else None,
        )  # fmt: skip
    clock = Clock()
    trainer.add_callback(clock)
    before = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    trainer.train()
    if kind != "sft":
        lengths = trainer._metrics["train"]["completions/mean_length"] or [chosen.completion_tokens]
        assert all(length == chosen.completion_tokens for length in lengths), lengths
        tokens = [chosen.prompts * GROUP * chosen.completion_tokens] * len(clock.seconds)
    return clock.seconds, before, tokens[: len(clock.seconds)]


def one_turn(chosen: argparse.Namespace) -> None:
    """Runs one side and prints what it took."""
    warnings.simplefilter("ignore")
    seconds, trained, tokens = (run_trl if chosen.side == "trl" else run_bbflow)(chosen.folder, chosen.kind, chosen.steps, chosen)
    if chosen.device == "cpu":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        import torch

        peak = torch.cuda.max_memory_allocated() / 2**30
    per_second = sum(tokens[2:]) / sum(seconds[2:])
    print(json.dumps({"seconds": statistics.median(seconds[2:]), "tokens_per_second": per_second, "trained": trained, "peak_gib": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", default="grpo", choices=["grpo", "lora", "sft"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--side", choices=["bbflow", "trl", "micro"], help="one side only, in the folder of a saved model")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--micro_batch_tokens", type=int, help="a third side: bbflow that holds so many tokens of a step at once")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--engine", choices=ENGINES, default="transformers", help="bbflow's")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--prompt_tokens", type=int, default=128)
    parser.add_argument("--completion_tokens", type=int, default=64)
    parser.add_argument("--trl_batch", type=int, help="completions that TRL trains on at once; all by default")
    arguments = parser.parse_args()
    if arguments.side:
        return one_turn(arguments)
    turns: dict[str, list[dict[str, float]]] = {"bbflow": [], "trl": []} | ({"micro": []} if arguments.micro_batch_tokens else {})
    with tempfile.TemporaryDirectory() as name:
        save_model(Path(name), arguments.shape)
        for i in range(arguments.rounds):
            for side in sorted(turns, reverse=bool(i % 2)):
                command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--folder", name]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                turns[side].append(json.loads(done.stdout.splitlines()[-1]))
                print(f"{side:8} " + ", ".join(f"{key} {value:.4g}" for key, value in turns[side][-1].items()), flush=True)
    assert len({turn["trained"] for side in turns.values() for turn in side}) == 1, "the sides train different parameters"
    pairs = list(zip(turns["bbflow"], turns["trl"], strict=True))
    result = {
        "kind": arguments.kind,
        "seconds": {side: round(statistics.median(turn["seconds"] for turn in each), 3) for side, each in turns.items()},
        "tokens_per_second": {side: round(statistics.median(turn["tokens_per_second"] for turn in each)) for side, each in turns.items()},
        "faster": round(statistics.median(theirs["seconds"] / ours["seconds"] for ours, theirs in pairs), 2),
        "tokens_per_second_ratio": round(statistics.median(ours["tokens_per_second"] / theirs["tokens_per_second"] for ours, theirs in pairs), 2),
        "peak_memory_ratio": round(statistics.median(ours["peak_gib"] / theirs["peak_gib"] for ours, theirs in pairs), 2),
    }  # fmt: skip
    if "micro" in turns:
        own = list(zip(turns["micro"], turns["bbflow"], strict=True))
        result["micro_batches_over_whole"] = {
            key: round(statistics.median(micro[key] / whole[key] for micro, whole in own), 2) for key in ("seconds", "peak_gib")
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
