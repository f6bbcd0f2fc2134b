"""What fails in a policy's answers: the form, the content, or an answer that could not be one.

Run: python benchmarks/answers.py DATA SCORES [COLUMN], DATA a Parquet file of examples on the clinical core, SCORES the `scores.parquet` that `bbflow evaluate` wrote
for it, COLUMN `completion_after` or `completion_before`. The last line is JSON.
"""

import json
import sys

import pandas as pd

from bbflow.data.files import read_examples
from bbflow.graph import ClinicalPack
from bbflow.records import Example
from bbflow.rewards.extraction import chosen_option, mentioned_option, mentions
from bbflow.rewards.knowledge import CorrectAnswer
from bbflow.rewards.verifiers import is_met


def main(data: str, scores: str, column: str = "completion_after") -> None:
    judge = CorrectAnswer()
    judge.prepare(ClinicalPack(core=True).load())
    table = pd.read_parquet(scores).drop_duplicates("example_id").set_index("example_id")
    rows = [_seen(example, table.loc[example.example_id, column], judge) for example in read_examples(data)]
    shares = pd.DataFrame(rows).groupby("task").mean().round(3)
    print(shares.to_string())
    print(json.dumps({task: row.dropna().to_dict() for task, row in shares.iterrows()}))


def _seen(example: Example, text: str, judge: CorrectAnswer) -> dict[str, object]:
    letter = any(constraint["type"] == "answer:letter" for constraint in example.constraints)
    lettered = example.options is not None and not letter
    names = mentions(judge.graph, text)
    two = example.options is None and len(example.accepted) > 1 and len(example.edges) == 2
    return {
        "task": example.task,
        "right": float(judge.is_right(example, text)),
        "form": float(all(is_met(constraint, text) for constraint in example.constraints)) if example.constraints else None,
        "no option": float(mentioned_option(example, text) is None and chosen_option(example, text) is None) if lettered else None,
        "one name twice": float(len(set(names)) < len(names)) if two else None,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
