"""Completions per second of the rule rewards, one process.

    python benchmarks/performance/data/rewards.py

Each reward scores the same short completions (references, wrong answers and noise) of generated examples; the median of the runs counts, in
CPU time, so that other load on the machine does not. The last line is JSON. Wanted: 20,000 per second for extraction and format, 2,000 for what looks statements up in the graph.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace

from bbflow import rewards
from bbflow.graph import ClinicalPack
from bbflow.records import Example, Message
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import ConstrainedAnswer, FactRecall, MultiHop, TreatmentChoice

EXTRACTION = (
    "CorrectAnswer", "PartialAnswer", "SafeChoice", "FollowsInstructions", "ConstraintReward", "NotOverlong", "NoRepetition", "AnswerFormat",
    "AppropriateRefusal",
)  # fmt: skip
GRAPH = ("ChainReward", "ReasonedAnswer", "ConnectedReasoning", "GroundedCitations", "SafeAdvice")


def numbered(example: Example) -> Example:
    """The record with its proof as numbered facts in the prompt and cited in the response, which is what grounding reads."""
    facts = [sentence for sentence in example.response.split(". ") if not sentence.startswith("Answer:")]
    told = " ".join(f"[{i}] {fact}." for i, fact in enumerate(facts, 1))
    cited = " ".join(f"{fact} [{i}]." for i, fact in enumerate(facts, 1))
    message = Message(role="user", content=f"{told}\n{example.prompt}")
    return replace(example, messages=[message], response=f"{cited} Answer: {example.answer}")


def main(runs: int = 5) -> None:
    graph = ClinicalPack().load()
    tasks = {task.name: task for task in (FactRecall(), MultiHop(), ConstrainedAnswer(), TreatmentChoice())}
    examples = generate(graph, tasks, {"train": 400}, {}, 0).examples["train"]
    rates = {}
    for name in (*EXTRACTION, *GRAPH):
        reward = getattr(rewards, name)()
        reward.prepare(graph)
        records = [numbered(e) for e in examples if e.edges] if name == "GroundedCitations" else examples
        fitting = [e for e in records if all(getattr(e, field) not in (None, [], {}) for field in reward.requires)]
        texts = [text for e in fitting for text in (e.response, "Answer: A", f"I think so. {e.response[:20]}")]
        batch = [e for e in fitting for _ in range(3)]
        seconds = []
        for _ in range(runs):
            start = time.process_time()
            reward(batch, texts)
            seconds.append(time.process_time() - start)
        rates[name] = round(len(batch) / statistics.median(seconds))
        wanted = 20_000 if name in EXTRACTION else 2_000
        print(f"{name:22} {rates[name]:>9,} /s   wanted {wanted:,}   {'' if rates[name] >= wanted else 'MISSED'}", flush=True)
    print(json.dumps({"completions_per_second": rates}))


if __name__ == "__main__":
    main()
