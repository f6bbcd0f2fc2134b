"""What the bundled policy knows, and what it says when it is asked: held-out questions of one fact with four options.

For each question the statements that each option would make true are compared by likelihood, as an answer to a request to tell about the
entity; beside that, the question itself is asked, greedily.

Run: python benchmarks/research/knowledge.py [QUESTIONS]   (default 150). The last line is JSON: the shares that are right.
"""

import json
import sys

import torch

from bbflow.evaluation.scoring import complete
from bbflow.graph import ClinicalPack
from bbflow.policies import PolicySettings, completion_logprobs, load_policy
from bbflow.policies.policy import pad
from bbflow.rewards import CorrectAnswer
from bbflow.synthesis import generate
from bbflow.synthesis.tasks import FactRecall
from bbflow.text.verbalization import verbalize


def main(count: int = 150) -> None:
    graph, policy = ClinicalPack(core=True).load(), load_policy(PolicySettings())
    ids = {node.name: node.id for node in graph.nodes()}
    made = generate(graph, {"fact_recall": FactRecall(letter=0.0, choice=1.0)}, {"test": count}, {}, 0, stage="alignment")
    examples = made.examples["test"]
    known = 0
    for example in examples:
        subject, predicate, obj = example.edges[0]
        forward = ids[example.answer] == obj
        asked = subject if forward else obj
        edges = [(subject, predicate, ids[o]) if forward else (ids[o], predicate, obj) for o in example.options or ()]
        prompt = policy.prompt_ids([{"role": "user", "content": f"Tell me about {graph.name_of(asked)}."}])
        statements = [policy.response_ids(verbalize(graph, edge, asked) + ".")[:-1] for edge in edges]
        prompts, completions = pad([prompt] * len(edges), policy.pad_id, "left"), pad(statements, policy.pad_id, "right")
        with torch.no_grad():
            likelihood = completion_logprobs(policy.model, *prompts, *completions).sum(1)
        known += (example.options or [])[int(likelihood.argmax())] == example.answer
    metric = CorrectAnswer()
    metric.prepare(graph)
    said = metric(examples, complete(policy, examples, 24, 64))
    shares = {"questions": len(examples), "statement": known / len(examples), "question": sum(s or 0.0 for s in said) / len(examples)}
    print(json.dumps(shares))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
