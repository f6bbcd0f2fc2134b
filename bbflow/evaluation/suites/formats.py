"""Reads benchmark files (JSONL) as they are published, and turns every row into an `Example`.

| format | a row has |
|---|---|
| mmlu | `question`, `choices`, `answer` (number from 0, or letter), perhaps `subject` |
| medqa | `question`, `options` (letter to text), `answer_idx` (letter), or the text in `answer` |
| medmcqa | `question`, `opa` to `opd`, `cop` (number; whether from 0 or from 1 is told from the whole file) |
| pubmedqa | `question`, `context` (`contexts`, a list), `final_decision` (yes, no, maybe) |
| ifeval | `prompt`, `instruction_id_list`, `kwargs` |
| safety | `unsafe` and `benign`: a request to refuse, and its twin to fulfil |

A row without an answer, an answer outside the options, an item that stands twice: each is refused by line, never skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bbflow.data.files import read_rows
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.records import Constraint, Example, Message
from bbflow.rewards.verifiers import VERIFIERS

BIOMED_MMLU = {
    "anatomy": 135,
    "clinical_knowledge": 265,
    "college_biology": 144,
    "college_medicine": 173,
    "medical_genetics": 100,
    "professional_medicine": 272,
}
"""The six subjects of MMLU that are called BIOMED-MMLU, and their test items: 1,089 in all, accuracy weighted by items."""

LETTERS = "ABCDEFGH"
DECISIONS = ("yes", "no", "maybe")
_SHOWN = 20
_SIGNS: dict[str, tuple[str, ...]] = {
    "ifeval": ("prompt", "instruction_id_list", "kwargs"),
    "safety": ("unsafe", "benign"),
    "medmcqa": ("question", "opa", "opb", "opc", "opd"),
    "mmlu": ("question", "choices"),
    "medqa": ("question", "options"),
}


class RowError(ValueError):
    """What is wrong with one row."""


def detect(row: Mapping[str, Any]) -> str | None:
    """Names the format of a row; None for an example of bbflow's own and for what is unknown.

    >>> detect({"question": "?", "choices": ["a", "b"], "answer": 0})
    'mmlu'
    >>> detect({"QUESTION": "?", "CONTEXTS": ["..."], "final_decision": "yes"})
    'pubmedqa'
    """
    names = {name.lower() for name in row}
    if "question" in names and names & {"context", "contexts"}:
        return "pubmedqa"
    return next((name for name, signs in _SIGNS.items() if names.issuperset(signs)), None)


def read_benchmark(path: str | Path) -> tuple[str, list[Example]] | None:
    """Reads a benchmark file.

    Returns:
        Its name (of BIOMED-MMLU and other selections of MMLU: see `mmlu_name`) and its items; None where the file holds bbflow's own
        examples or is no JSONL.

    Raises:
        InputError: Rows are malformed; file and line of each are named. Or the file is of no known format.
    """
    path = Path(path)
    if path.suffix.lower() != ".jsonl" or not path.is_file():
        return None
    rows = read_rows(path)
    if not rows or {"example_id", "messages"} <= set(rows[0]):
        return None
    kind = detect(rows[0])
    if kind is None:
        known = f"known are examples of bbflow and: {', '.join([*_SIGNS, 'pubmedqa'])}"
        raise InputError(Problem(f"is of no known format: its first row has {', '.join(rows[0])}", str(path), known))
    rows = [_lowered(row) for row in rows]  # formats are told whatever the case of their keys, and read so
    examples, problems = [], []
    shift = _numbering(rows, str(path)) if kind == "medmcqa" else 0
    for line, row in enumerate(rows, start=1):
        try:
            examples += _READERS[kind](row, shift)
        except RowError as error:
            problems.append(Problem(str(error), f"{path}: row {line}"))
    problems += _twice(examples, str(path))
    if problems:
        more = [Problem(f"and {len(problems) - _SHOWN} more problems", str(path))] if len(problems) > _SHOWN else []
        raise InputError(*problems[:_SHOWN], *more)
    name = mmlu_name([e.task for e in examples]) if kind == "mmlu" else kind
    return name, [_named(e, name) for e in examples]


def mmlu_name(subjects: Sequence[str]) -> str:
    """Names a selection of MMLU: `biomed_mmlu` only where it is exactly the six subjects with all their test items.

    >>> mmlu_name(["anatomy"] * 135)
    'mmlu_anatomy'
    """
    counts = {subject: subjects.count(subject) for subject in dict.fromkeys(subjects)}
    if counts == BIOMED_MMLU:
        return "biomed_mmlu"
    return f"mmlu_{next(iter(counts))}" if len(counts) == 1 and "mmlu" not in counts else "mmlu"


def question_text(question: str, options: Sequence[str]) -> str:
    r"""The prompt of a question with lettered options, as MMLU writes it; it ends where the letter follows.

    >>> question_text("Which?", ["one", "two"])
    'Which?\nA. one\nB. two\nAnswer:'
    """
    return "\n".join([question.strip(), *(f"{LETTERS[i]}. {option}" for i, option in enumerate(options)), "Answer:"])


def _choice(row: Mapping[str, Any], task: str, options: Any, gold: Any) -> list[Example]:
    question = row.get("question")
    if not isinstance(question, str) or not question.strip():
        raise RowError("the question is missing")
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS) or not all(isinstance(o, str) for o in options):
        raise RowError(f"a question needs two to {len(LETTERS)} options, each a text, not {options!r}")
    options = [" ".join(option.split()) for option in options]
    index = _index(gold, options)
    body = question_text(question, options)
    return [_example(row, task, body, options[index], body, options=options, response=LETTERS[index])]


def _index(gold: Any, options: Sequence[str]) -> int:
    """Number of the right option, from a number, a letter or the option's text."""
    if gold is None or gold == "" or gold == -1:
        raise RowError("the row has no answer")
    if isinstance(gold, str) and gold.strip().isdigit():
        gold = int(gold)
    if isinstance(gold, str):
        text = " ".join(gold.split())
        if len(text) == 1 and text.upper() in LETTERS:
            gold = LETTERS.index(text.upper())
        elif options.count(text) == 1:
            return options.index(text)
        else:
            raise RowError(f"the answer '{gold}' is none of the options")
    if isinstance(gold, bool) or not isinstance(gold, int):
        raise RowError(f"the answer {gold!r} is neither a letter nor a number")
    if not 0 <= gold < len(options):
        named = LETTERS[gold] if 0 <= gold < len(LETTERS) else gold
        raise RowError(f"the answer {named} is outside the {len(options)} options")
    return gold


def _mmlu(row: Mapping[str, Any], shift: int) -> list[Example]:
    subject = "_".join(str(row.get("subject") or "mmlu").lower().split())
    return _choice(row, subject, row.get("choices"), row.get("answer"))


def _medqa(row: Mapping[str, Any], shift: int) -> list[Example]:
    options = row.get("options")
    if isinstance(options, Mapping):
        if list(options) != list(LETTERS[: len(options)]):
            raise RowError(f"the options must be lettered A, B, ... in order, not {', '.join(map(str, options))}")
        options = list(options.values())
    return _choice(row, "medqa", options, row["answer_idx"] if row.get("answer_idx") is not None else row.get("answer"))


def _medmcqa(row: Mapping[str, Any], shift: int) -> list[Example]:
    gold = row.get("cop")
    if isinstance(gold, bool) or not isinstance(gold, int) or gold < 0:
        raise RowError("the row has no answer (the test split of MedMCQA has none; its validation split is what is scored)")
    keys = [f"op{letter}" for letter in "abcd"]
    if lacking := [key for key in keys if key not in row]:
        raise RowError(f"the row has no {' and no '.join(lacking)}")
    return _choice(row, "medmcqa", [row[key] for key in keys], gold - shift)


def _numbering(rows: Sequence[Mapping[str, Any]], where: str) -> int:
    """Whether the answers of a MedMCQA file count from 0 (as on the Hub) or from 1 (as in its first release)."""
    seen = {row.get("cop") for row in rows}
    if {0, 4} <= seen or (not {0, 4} & seen and {1, 2, 3} & seen):
        why = "0 and 4 both occur" if 0 in seen else "neither 0 nor 4 occurs"
        raise InputError(Problem(f"whether `cop` counts from 0 or from 1 cannot be told: {why}", where))
    return int(4 in seen)


def _pubmedqa(row: Mapping[str, Any], shift: int) -> list[Example]:
    context = row.get("context", row.get("contexts"))
    passages = context.get("contexts") if isinstance(context, Mapping) else context
    if isinstance(passages, str):
        passages = [passages]
    if not isinstance(passages, list) or not passages:
        raise RowError("the abstract is missing")
    if not isinstance(row.get("question"), str) or not row["question"].strip():
        raise RowError("the question is missing")
    gold = str(row.get("final_decision") or "").strip().lower()
    if gold not in DECISIONS:
        raise RowError(f"the answer '{gold}' is none of {', '.join(DECISIONS)}" if gold else "the row has no answer")
    body = "Abstract: " + "\n".join(map(str, passages)) + f"\nQuestion: {row['question'].strip()}\nAnswer:"
    return [_example(row, "pubmedqa", body, gold, body, options=list(DECISIONS), response=gold, open_book=True)]


def _ifeval(row: Mapping[str, Any], shift: int) -> list[Example]:
    types, kwargs = row["instruction_id_list"], row["kwargs"]
    if not isinstance(types, list) or not types or not isinstance(kwargs, list) or len(kwargs) != len(types):
        raise RowError("instruction_id_list and kwargs must be lists of one length, and not empty")
    if unknown := [type for type in types if type not in VERIFIERS]:
        raise RowError(f"nothing verifies '{unknown[0]}' ({did_you_mean(str(unknown[0]), VERIFIERS)})")
    demands = [Constraint(type=t, kwargs={k: v for k, v in (a or {}).items() if v is not None}) for t, a in zip(types, kwargs, strict=True)]
    body = str(row["prompt"])
    return [_example(row, "ifeval", body, "", body + json.dumps(demands), constraints=demands, response="")]


def _safety(row: Mapping[str, Any], shift: int) -> list[Example]:
    both = {side: row.get(side) for side in ("unsafe", "benign")}
    if empty := [side for side, text in both.items() if not isinstance(text, str) or not text.strip()]:
        raise RowError(f"the {empty[0]} request is missing")
    pair = _identity(row, json.dumps(both))
    answers = {"unsafe": "no", "benign": "yes"}
    return [
        _example({"id": f"{pair}-{side}"}, f"safety_{side}", str(text), answers[side], "", response=answers[side], cluster=pair)
        for side, text in both.items()
    ]


_READERS: dict[str, Callable[[Mapping[str, Any], int], list[Example]]] = {
    "mmlu": _mmlu,
    "medqa": _medqa,
    "medmcqa": _medmcqa,
    "pubmedqa": _pubmedqa,
    "ifeval": _ifeval,
    "safety": _safety,
}


def _example(row: Mapping[str, Any], task: str, text: str, answer: str, key: str, **more: Any) -> Example:
    message = Message(role="user", content=text)
    return Example(
        example_id=_identity(row, key), task=task, capabilities=[], messages=[message], answer=answer, split="test", **more
    )  # fmt: skip


def _identity(row: Mapping[str, Any], key: str) -> str:
    given = next((row[name] for name in ("id", "pubid", "pmid", "key", "question_id") if row.get(name) not in (None, "")), None)
    return str(given) if given is not None else hashlib.sha256(key.encode()).hexdigest()[:16]


def _named(example: Example, name: str) -> Example:
    """Files an item under its benchmark, so that ids of two benchmarks never meet."""
    from dataclasses import replace

    cluster = f"{name}/{example.cluster}" if example.cluster else ""
    return replace(example, example_id=f"{name}/{example.example_id}", capabilities=[name], cluster=cluster)


def _lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in row.items()}


def _twice(examples: Sequence[Example], where: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for example in examples:
        if example.example_id in seen:
            yield Problem(f"the item {example.example_id} stands more than once", where)
        seen.add(example.example_id)
