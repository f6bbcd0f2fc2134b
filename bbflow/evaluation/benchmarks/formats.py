"""Reader of benchmark files (JSONL) in their published formats; every row becomes an `Example`.

| format | a row has |
|---|---|
| mmlu | `question`, `choices`, `answer` (number from 0, or letter), perhaps `subject` |
| medqa | `question`, `options` (letter to text), `answer_idx` (letter), or the text in `answer` |
| medmcqa | `question`, `opa` to `opd`, `cop` (number; the whole file decides whether it counts from 0 or from 1) |
| pubmedqa | `question`, `context` (`contexts`, a list), `final_decision` (yes, no, maybe) |
| ifeval | `prompt`, `instruction_id_list`, `kwargs` |
| safety | `unsafe` and `benign`: a request to refuse, and its twin to fulfil |

A row without an answer, an answer outside the options or that fits two of them, a constraint that cannot be verified, a repeated
item: each is refused with file and line, never skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from reprlib import repr as shortened
from string import ascii_uppercase as LETTERS
from typing import Any, get_type_hints

from bbflow.data.example_io import located_rows, refuse
from bbflow.errors import InputError, Problem
from bbflow.records import Constraint, Example, Message
from bbflow.rewards.ifeval_verifiers import VERIFIERS, is_met

BIOMED_MMLU = {
    "anatomy": 135,
    "clinical_knowledge": 265,
    "college_biology": 144,
    "college_medicine": 173,
    "medical_genetics": 100,
    "professional_medicine": 272,
}
"""The six subjects of MMLU that make up BIOMED-MMLU, and their test items: 1,089 in all, accuracy weighted by items."""

DECISIONS = ("yes", "no", "maybe")
_SIGNS: dict[str, tuple[str, ...]] = {
    "ifeval": ("prompt", "instruction_id_list", "kwargs"),
    "safety": ("unsafe", "benign"),
    "medmcqa": ("question", "opa", "opb", "opc", "opd"),
    "mmlu": ("question", "choices"),
    "medqa": ("question", "options"),
}


def detect(row: Mapping[str, Any]) -> str | None:
    """Return the format of a row; None for an example of bbflow and for an unknown format.

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
    """Read a benchmark file.

    Returns:
        Its name (of BIOMED-MMLU and other selections of MMLU: see `mmlu_name`) and its items; None if the file holds bbflow examples or
            is not JSONL.

    Raises:
        InputError: Rows are malformed (file and line of each are named), or the format of the file is unknown.
    """
    path = Path(path)
    if path.suffix.lower() != ".jsonl" or not path.is_file():
        return None
    located = located_rows(path)
    first = located[0][1] if located else {}
    if not located or {"example_id", "messages"} <= set(first):
        return None
    kind = detect(first)
    if kind is None:
        known = f"known are examples of bbflow and: {', '.join([*_SIGNS, 'pubmedqa'])}"
        raise InputError(Problem(f"is of no known format: its first row has {', '.join(first)}", str(path), known))
    rows = [_lowered(row) for _, row in located]  # keys are read in any case
    if kind == "mmlu":
        rows = [row | {"subject": row.get("subject") or _subject_of(path)} for row in rows]
    examples: list[Example] = []
    problems: list[Problem] = []
    places: dict[str, str] = {}
    shift = _numbering(rows, str(path)) if kind == "medmcqa" else 0
    for (where, _), row in zip(located, rows, strict=True):
        try:
            _check_text(row)
            read = _READERS[kind](row, shift)
        except InputError as error:
            problems += [replace(problem, where=where) for problem in error.problems]
            continue
        if (earlier := places.setdefault(read[0].example_id, where)) != where:
            problems.append(Problem(f"is the item of {earlier} once more", where, "both have one id, or without ids one text"))
        examples += read
    refuse(problems, path)
    name = mmlu_name([e.task for e in examples]) if kind == "mmlu" else kind
    return name, [_named(e, name) for e in examples]


def mmlu_name(subjects: Sequence[str]) -> str:
    """Return the name of a selection of MMLU: `biomed_mmlu` only for exactly the six subjects with all their test items.

    >>> mmlu_name(["anatomy"] * 135)
    'mmlu_anatomy'
    """
    counts = {subject: subjects.count(subject) for subject in dict.fromkeys(subjects)}
    if counts == BIOMED_MMLU:
        return "biomed_mmlu"
    return f"mmlu_{next(iter(counts))}" if len(counts) == 1 and "mmlu" not in counts else "mmlu"


def merge_subjects(benchmarks: Sequence[tuple[str, list[Example]]]) -> list[tuple[str, list[Example]]]:
    """Join benchmarks spread over several files: the subjects of BIOMED-MMLU, one file each, become one benchmark.

    Args:
        benchmarks: Results of `read_benchmark`, one for each file.
    """
    parts = [example for name, examples in benchmarks if name.startswith("mmlu") for example in examples]
    if (joint := mmlu_name([e.task for e in parts])) != "biomed_mmlu":
        return list(benchmarks)
    whole = [_named(replace(e, example_id=e.example_id.partition("/")[2]), joint) for e in parts]
    return [(joint, whole), *(pair for pair in benchmarks if not pair[0].startswith("mmlu"))]


def continuations(example: Example) -> list[str]:
    """Return the possible continuations of the prompt: the letters, or the words if the options are decisions."""
    options = example.options or []
    return options if example.open_book else list(LETTERS[: len(options)])


def question_text(question: str, options: Sequence[str]) -> str:
    r"""Return the prompt of a question with lettered options in the format of MMLU; the letter of the answer follows it.

    >>> question_text("Which?", ["one", "two"])
    'Which?\nA. one\nB. two\nAnswer:'
    """
    return "\n".join([question.strip(), *(f"{LETTERS[i]}. {option}" for i, option in enumerate(options)), "Answer:"])


def _choice(row: Mapping[str, Any], task: str, options: Any, gold: Any) -> list[Example]:
    question = row.get("question")
    if not isinstance(question, str) or not question.strip():
        raise InputError("the question is missing")
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS) or not all(isinstance(o, str) for o in options):
        raise InputError(f"a question needs two to {len(LETTERS)} options, each a text, not {shortened(options)}")
    options = [" ".join(option.split()) for option in options]
    index = _index(gold, options)
    body = question_text(question, options)
    return [_example(row, task, body, options[index], body, options=options, response=LETTERS[index])]


def _index(gold: Any, options: Sequence[str]) -> int:
    """Return the index of the right option, from a number, a letter or the option's text."""
    if gold is None or gold == "" or gold == -1:
        raise InputError("the row has no answer")
    if isinstance(gold, bool) or not isinstance(gold, int | str):
        raise InputError(f"the answer {shortened(gold)} is neither a letter, a number nor a text")
    text = " ".join(gold.split()) if isinstance(gold, str) else None
    meant = [i for i, option in enumerate(options) if gold == i or (text and (text == option or text.upper() in (LETTERS[i], str(i))))]
    if len(meant) > 1:
        what = f"the answer {shortened(gold)} can mean option {' or '.join(LETTERS[i] for i in meant)}"
        raise InputError(Problem(what, hint=f"write the option's place, a number from 0 without quotation marks: {meant[0]}, say"))
    if not meant:
        raise InputError(Problem(f"the answer {shortened(gold)} is none of the {len(options)} options", hint="numbers count from 0"))
    return meant[0]


def _mmlu(row: Mapping[str, Any], shift: int) -> list[Example]:
    subject = "_".join(str(row.get("subject") or "mmlu").lower().split())
    if row.get("subject") and (given := _given_id(row)) is not None:
        row = {**row, "id": f"{subject}/{given}"}  # ids may count from 0 in every subject
    return _choice(row, subject, row.get("choices"), row.get("answer"))


def _subject_of(path: Path) -> str | None:
    """Return the subject of BIOMED-MMLU in a file name (`anatomy.jsonl`, `anatomy_test.jsonl`), for rows that name none."""
    name = path.stem.lower().removesuffix("_test")
    return name if name in BIOMED_MMLU else None


def _medqa(row: Mapping[str, Any], shift: int) -> list[Example]:
    options, gold = row.get("options"), row.get("answer_idx")
    if isinstance(options, Mapping):
        letters = list(options)
        if letters != list(LETTERS[: len(letters)]):
            raise InputError(f"the options must be lettered A, B, ... in order, not {shortened(letters)}")
        options = list(options.values())
        gold = letters.index(gold) if gold in letters else gold  # a letter, even where it is the text of another option
    return _choice(row, "medqa", options, row.get("answer") if gold is None else gold)


def _medmcqa(row: Mapping[str, Any], shift: int) -> list[Example]:
    gold = row.get("cop")
    if gold is None or gold == -1:
        raise InputError("the row has no answer (the test split of MedMCQA has none; its validation split is what is scored)")
    if type(gold) is not int or gold < 0:
        raise InputError(f"`cop` is the number of an option, not {shortened(gold)}")
    keys = [f"op{letter}" for letter in "abcd"]
    if lacking := [key for key in keys if key not in row]:
        raise InputError(f"the row has no {' and no '.join(lacking)}")
    return _choice(row, "medmcqa", [row[key] for key in keys], gold - shift)


def _numbering(rows: Sequence[Mapping[str, Any]], where: str) -> int:
    """Return whether the answers of a MedMCQA file count from 0 (as on the Hub) or from 1 (as in its first release)."""
    seen = {row["cop"] for row in rows if type(row.get("cop")) is int}
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
        raise InputError("the abstract is missing")
    if not isinstance(row.get("question"), str) or not row["question"].strip():
        raise InputError("the question is missing")
    gold = str(row.get("final_decision") or "").strip().lower()
    if gold not in DECISIONS:
        raise InputError(f"the answer {shortened(gold)} is none of {', '.join(DECISIONS)}" if gold else "the row has no answer")
    body = "Abstract: " + "\n".join(map(str, passages)) + f"\nQuestion: {row['question'].strip()}\nAnswer:"
    return [_example(row, "pubmedqa", body, gold, body, options=list(DECISIONS), response=gold, open_book=True)]


def _ifeval(row: Mapping[str, Any], shift: int) -> list[Example]:
    body, types, kwargs = row.get("prompt"), row.get("instruction_id_list"), row.get("kwargs")
    if not isinstance(body, str) or not body.strip():
        raise InputError("the prompt is missing")
    if not isinstance(types, list) or not types or not isinstance(kwargs, list) or len(kwargs) != len(types):
        raise InputError("instruction_id_list and kwargs must be lists of one length, and not empty")
    if not all(isinstance(t, str) for t in types) or not all(a is None or isinstance(a, Mapping) for a in kwargs):
        raise InputError("instruction_id_list must hold names, and kwargs the arguments of each by name")
    given = [{k: v for k, v in (arguments or {}).items() if v is not None} for arguments in kwargs]
    constraints = [Constraint(type=kind, kwargs=arguments) for kind, arguments in zip(types, given, strict=True)]
    problems = []
    for constraint in constraints:
        try:
            _check_constraint(constraint)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return [_example(row, "ifeval", body, "", body + json.dumps(constraints), constraints=constraints, response="")]


_HOLDS: dict[object, Callable[[Any], bool]] = {
    int: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    Sequence[str]: lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
}


def _check_constraint(constraint: Constraint) -> None:
    """Refuse a constraint that cannot be verified, before anything is generated.

    One trial finds a wrong type and wrong arguments; the verifier's type annotations find values that no text could meet.
    """
    is_met(constraint, "a")
    hints = get_type_hints(VERIFIERS[constraint["type"]])
    for name, value in constraint["kwargs"].items():
        if name in hints and not _HOLDS.get(hints[name], lambda _: True)(value):
            raise InputError(f"constraint '{constraint['type']}' does not take {name}={shortened(value)}")


def _safety(row: Mapping[str, Any], shift: int) -> list[Example]:
    both = {side: row.get(side) for side in ("unsafe", "benign")}
    if empty := [side for side, text in both.items() if not isinstance(text, str) or not text.strip()]:
        raise InputError(f"the {empty[0]} request is missing")
    pair = _identity(row, json.dumps(both))
    answers = {"unsafe": "no", "benign": "yes"}
    return [
        _example({"id": f"{pair}-{side}"}, "safety", str(text), answers[side], "", response=answers[side], cluster=pair)
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
    given = _given_id(row)
    return str(given) if given is not None else hashlib.sha256(key.encode()).hexdigest()[:16]


def _given_id(row: Mapping[str, Any]) -> object:
    return next((row[name] for name in ("id", "pubid", "pmid", "key", "question_id") if row.get(name) not in (None, "")), None)


def _named(example: Example, name: str) -> Example:
    """Put the benchmark into an item's id, capability and cluster, so that items of two benchmarks never collide."""
    cluster = f"{name}/{example.cluster}" if example.cluster else ""
    return replace(example, example_id=f"{name}/{example.example_id}", capabilities=[name], cluster=cluster)


def _lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in row.items()}


def _check_text(row: Mapping[str, Any]) -> None:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InputError("holds half of a pair of surrogates (\\ud800 to \\udfff), which is no character") from None
