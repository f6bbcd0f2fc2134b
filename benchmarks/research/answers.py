"""What fails in a policy's answers: the form, the content, or an answer that could not be one.

Run: python benchmarks/research/answers.py DATA SCORES [COLUMN [TRAIN]], DATA a Parquet file of examples on the clinical core, SCORES the `scores.parquet` that `bbflow evaluate`
wrote for it, COLUMN `completion_after` or `completion_before`. With TRAIN, a Parquet file of training examples, questions are told apart by whether training questions rest
on all their facts (otherwise worded, asked the other way round, or in a chain). The last line is JSON.
"""

import json
import sys

import pandas as pd

from bbflow.data.example_io import read_examples
from bbflow.graph import ClinicalPack
from bbflow.records import Example, Triple
from bbflow.rewards.correctness import CorrectAnswer
from bbflow.rewards.ifeval_verifiers import is_met
from bbflow.text.answers.extraction import chosen_option, mentioned_option
from bbflow.text.entity_linking import mentions


def main(data: str, scores: str, column: str = "completion_after", train: str | None = None) -> None:
    judge = CorrectAnswer()
    judge.prepare(ClinicalPack(core=True).load())
    table = pd.read_parquet(scores).drop_duplicates("example_id").set_index("example_id")
    facts = {edge for example in read_examples(train) for edge in example.edges} if train else None
    rows = [_seen(example, table.loc[example.example_id, column], judge, facts) for example in read_examples(data)]
    shares = pd.DataFrame(rows).groupby("task").mean().round(3)
    shares.insert(0, "questions", pd.DataFrame(rows).groupby("task").size())
    print(shares.to_string())
    print(json.dumps({task: row.dropna().to_dict() for task, row in shares.iterrows()}))


def _seen(example: Example, text: str, judge: CorrectAnswer, facts: set[Triple] | None) -> dict[str, object]:
    letter = any(constraint["type"] == "answer:letter" for constraint in example.constraints)
    lettered = example.options is not None and not letter
    names = mentions(judge.graph, text)
    two = example.options is None and len(example.accepted) > 1 and len(example.edges) == 2
    kind = "" if facts is None else ", facts in training" if facts.issuperset(example.edges) else ", facts not in training"
    return {
        "task": example.task + kind,
        "right": float(judge.is_right(example, text)),
        "form": float(all(is_met(constraint, text) for constraint in example.constraints)) if example.constraints else None,
        "no option": float(mentioned_option(example, text) is None and chosen_option(example, text) is None) if lettered else None,
        "one name twice": float(len(set(names)) < len(names)) if two else None,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
