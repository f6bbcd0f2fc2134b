"""Rebuilds the bundled policy `tiny`: `make tiny`, or step by step `python -m benchmarks.maintenance.build_tiny --help`.

Step one (`architecture`) writes an untrained folder: configuration, and a tokenizer trained on the text of the training
split. Then come the lessons, `bbflow fit` with `recipes/tiny.yaml` and then with `recipes/tiny_requests.yaml`; after each, `package`
stores the weights of the run in bfloat16 and notes the lesson. `card` writes the model card from those notes and an evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VOCABULARY = 2048
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
LESSONS = "lessons.json"
"""In the policy's folder: what each lesson was, in order."""
PAD, END = "<|endoftext|>", "<|end|>"
SPECIAL = (END, "<|system|>", "<|user|>", "<|assistant|>")
QWEN2: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}


def architecture(out: str, seed: int = 0, examples: int = 20_000) -> None:
    """Writes the untrained policy: Qwen2 configuration and a byte-level BPE tokenizer.

    Args:
        out: Folder to write.
        seed: Of the generated text that the tokenizer is trained on.
        examples: How many generated training examples it is trained on.
    """
    from transformers import Qwen2Config, Qwen2Tokenizer

    from bbflow.graph import ClinicalPack
    from bbflow.synthesis import generate
    from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, Statement, TreatmentChoice

    tasks = {t.name: t for t in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice(), Statement())}
    made = generate(ClinicalPack(core=True).load(), tasks, {"train": examples}, {}, seed, stage="pretraining")
    texts = [part for e in made.examples["train"] for part in (e.prompt, e.response)]
    # Qwen2's own pre-tokenizer, since that is what loading a Qwen2 folder gives the tokenizer again.
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(texts, VOCABULARY, new_special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.pad_token, tokenizer.eos_token, tokenizer.chat_template = PAD, END, CHAT_TEMPLATE
    ends = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    config = Qwen2Config(vocab_size=len(tokenizer), **ends, **QWEN2)
    config.architectures = ["Qwen2ForCausalLM"]
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / LESSONS).write_text("[]\n", encoding="utf-8")


def package(run: str, out: str) -> None:
    """Stores the weights of a finished run in bfloat16, and notes what the run was.

    Args:
        run: The run's folder, `.../<recipe>/version_<n>`.
        out: The policy's folder; holds the architecture already.
    """
    import torch
    from safetensors.torch import save_file

    checkpoints = sorted((Path(run) / "checkpoints").glob("*.ckpt"), key=lambda p: p.stat().st_mtime)
    state = torch.load(checkpoints[-1], map_location="cpu", weights_only=True)["state_dict"]
    weights = {
        name.removeprefix("model."): tensor.to(torch.bfloat16).contiguous() for name, tensor in state.items() if "lm_head" not in name
    }
    save_file(weights, Path(out) / "model.safetensors", metadata={"format": "pt"})
    report = json.loads((Path(run) / "report" / "report.json").read_text(encoding="utf-8"))
    origin, notes = report["provenance"], Path(out) / LESSONS
    lesson = {
        "recipe": f"recipes/{Path(run).parent.name}.yaml",
        "seed": origin["seed"],
        "steps": origin["step"],
        "data_sha256": report["data"]["receipt"]["data"]["train.parquet"],
        "graph": origin["graph"],
        "graph_sha256": origin["graph_sha256"],
        "minutes": round(report["cost"]["training_seconds"] / 60),
    }
    lessons = [*json.loads(notes.read_text(encoding="utf-8")), lesson]
    notes.write_text(json.dumps(lessons, indent=1) + "\n", encoding="utf-8")


def card(data: str, evaluation: str, out: str) -> None:
    """Writes the model card; every figure is read from files.

    Args:
        data: Folder that `bbflow generate --config recipes/grpo.yaml` wrote.
        evaluation: Folder that `bbflow evaluate --policy tiny` on its test split wrote.
        out: The policy's folder.
    """
    import pandas as pd
    from safetensors import safe_open

    from bbflow.data.example_io import read_examples
    from bbflow.graph import ClinicalPack
    from bbflow.text.answers.extraction import parses

    graph = ClinicalPack(core=True).load()
    lessons = json.loads((Path(out) / LESSONS).read_text(encoding="utf-8"))
    report = json.loads((Path(evaluation) / "report.json").read_text(encoding="utf-8"))
    texts = pd.read_parquet(Path(evaluation) / "scores.parquet").drop_duplicates("example_id").set_index("example_id")["completion_after"]
    test = {e.example_id: e for e in read_examples(Path(data) / "test.parquet")}
    parsed = sum(parses(e, texts[i], graph) for i, e in test.items()) / len(test)
    with safe_open(Path(out) / "model.safetensors", "pt") as weights:
        parameters = sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118 (no mapping)
    rows = []
    for name, capability in report["capabilities"].items():
        null, score = max(capability["nulls"].values()), capability["after"]["score"]
        rows.append(f"| {name} | {capability['n']} | {score:.3f} | {null:.3f} | {max(0.0, (score - null) / (1 - null)):.3f} |")
    text = _CARD.format(
        millions=parameters / 1e6,
        vocabulary=VOCABULARY,
        graph=f"{graph.name} {graph.version}",
        sha256=graph.sha256,
        lessons="\n".join(_LESSON.format(**lesson) for lesson in lessons),
        rows="\n".join(rows),
        parsed=parsed,
    )
    (Path(out) / "README.md").write_text(text, encoding="utf-8")


_LESSON = "| `{recipe}` | {seed} | {steps} | {minutes} | `{data_sha256}` |"
_CARD = """---
license: apache-2.0
language: [en]
tags: [synthetic, medical, bbflow]
---
# tiny

The policy that ships with bbflow: a Qwen2 of {millions:.2f}M parameters with a byte-level BPE tokenizer of {vocabulary} tokens and a chat
template of its own, trained from random weights on questions and statements generated from bbflow's clinical graph pack. It
exists so that recipes, tests and tutorials run in minutes on two CPU cores.

**It gives no medical advice, and its answers are often wrong.**

`make tiny` rebuilds it. Its lessons, one after the other, on the graph `{graph}` (sha256 `{sha256}`):

| recipe | seed | steps | minutes on two CPU cores | sha256 of the training data (Parquet) |
|---|---|---|---|---|
{lessons}

The first lesson runs in bfloat16 mixed precision, which takes far longer on a processor without it.

Scores on the closed-book test split of `recipes/grpo.yaml` (synthetic graph, greedy decoding), measured by
`bbflow evaluate --policy tiny`. The facts were trained on as statements; no question, path, option set or wording of the test
split was, nor any question that `recipes/grpo.yaml` trains on (its data have the stage `alignment`, these `pretraining`).
The null is the best of random text, random and constant answers, blanket refusal and options only; corrected is
max(0, (score - null) / (1 - null)).

| capability | items | score | null | corrected |
|---|---|---|---|---|
{rows}

{parsed:.1%} of the completions can be parsed. The weights are stored in bfloat16 and loaded in float32.
"""

if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli([architecture, package, card])
