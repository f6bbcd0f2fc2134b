"""Does a policy know what it fails to say? Constrained questions for one name, answered freely and from the first words of the fact.

Run: python benchmarks/research/stated.py DATA [POLICY], DATA a Parquet file of examples on the clinical core with constrained answers, POLICY a folder or `tiny`. Greedy decoding. For
questions with and without options the share that is right: as asked; without the demand; as asked, when the answer begins as the fact does (`furosemide can cause`); and
the same without the demand. What follows the first sentence or line is cut off. The last line is JSON.
"""

import json
import re
import sys

import torch

from bbflow.data.example_io import read_examples
from bbflow.graph import ClinicalPack
from bbflow.policies import Policy, PolicySettings, load_policy
from bbflow.policies.policy import pad
from bbflow.records import Example
from bbflow.rewards import CorrectAnswer
from bbflow.text.verbalization import verbalize


def main(data: str, path: str = "tiny") -> None:
    judge = CorrectAnswer()
    judge.prepare(ClinicalPack(core=True).load())
    policy = load_policy(PolicySettings(path=path))
    asked = [e for e in read_examples(data) if e.task == "constrained_answer" and len(e.edges) == 1]
    found = {}
    for name, some in (("options", [e for e in asked if e.options]), ("open", [e for e in asked if not e.options])):
        for way, demand, begun in (
            ("as asked", True, False),
            ("no demand", False, False),
            ("begun as the fact", True, True),
            ("no demand, begun as the fact", False, True),
        ):
            starts = [_beginning(judge, e) if begun else "" for e in some]
            texts = [e.messages[-1]["content"] if demand else e.messages[-1]["content"].rsplit("\n", 1)[0] for e in some]
            said = _said(policy, texts, starts)
            said = [re.split(r"[.\n]", text)[0] if begun else text for text in said]
            found[f"{name} ({len(some)}), {way}"] = round(sum(map(judge.is_right, some, said)) / max(1, len(some)), 3)
    for way, share in found.items():
        print(f"{share:.3f}  {way}")
    print(json.dumps(found))


def _beginning(judge: CorrectAnswer, example: Example) -> str:
    """The fact that answers, up to the answer."""
    return verbalize(judge.graph, example.edges[0], example.entities[0]).removesuffix(f" {example.answer}")


@torch.no_grad()
def _said(policy: Policy, texts: list[str], starts: list[str], size: int = 64) -> list[str]:
    """Greedy continuations of answers that are begun already."""
    rows = [
        policy.prompt_ids([{"role": "user", "content": text}]) + policy.response_ids(start)[:-1]  # without its end
        for text, start in zip(texts, starts, strict=True)
    ]
    found: list[str] = []
    for at in range(0, len(rows), size):
        ids, mask = pad(rows[at : at + size], policy.pad_id, "left")
        output = policy.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=40, do_sample=False, pad_token_id=policy.pad_id)
        found += policy.tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
