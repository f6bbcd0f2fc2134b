"""`Example`, the record that the packages exchange: one training, validation or test item.

The same record is kept in Parquet, in JSONL and in memory; `schemas/example.schema.json` is generated from this module. Triples
are `(subject, predicate, object)` of graph node ids. The record holds everything that a reward, rule or metric needs, so a file
of examples can be checked with its graph alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypedDict

from bbflow.errors import InputError, Problem, did_you_mean

Triple = tuple[str, str, str]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Message(TypedDict):
    """One turn of a chat prompt."""

    role: str
    content: str


class Constraint(TypedDict):
    """A format constraint that a program can verify; `type` names a verifier of `bbflow.rewards.instructions`."""

    type: str
    kwargs: dict[str, Any]


class Patient(TypedDict, total=False):
    """The patient of a question. Conditions, medications and allergies are graph node ids; egfr in mL/min/1.73 m2."""

    age: int | None
    sex: str | None
    pregnant: bool | None
    conditions: list[str]
    medications: list[str]
    allergies: list[str]
    egfr: float | None


class Recommendation(TypedDict):
    """A drug that the reference response recommends; dose in `unit` (UCUM) per administration."""

    drug: str
    dose: float | None
    unit: str | None
    per_day: float | None
    route: str | None


class Provenance(TypedDict):
    """Origin of an example, sufficient to generate it again."""

    graph: str
    graph_sha256: str
    template: str
    generator: str
    seed: int


KEYS = {"patient": frozenset(Patient.__annotations__), "recommended": frozenset(Recommendation.__annotations__)}
"""Column that holds objects, or a list of them, to the keys that these may have."""

_OTHER_WORDS = {
    "patient": {
        "problems": "conditions", "diagnoses": "conditions", "diagnosis": "conditions", "comorbidities": "conditions",
        "history": "conditions", "diseases": "conditions",
        "drugs": "medications", "meds": "medications", "takes": "medications", "gender": "sex",
        "pregnancy": "pregnant", "gfr": "egfr", "crcl": "egfr", "years": "age",
    },
    "recommended": {
        "frequency": "per_day", "times": "per_day", "times_per_day": "per_day", "daily": "per_day", "freq": "per_day", "amount": "dose",
        "strength": "dose", "quantity": "dose", "mg": "dose", "name": "drug", "medication": "drug", "units": "unit", "via": "route",
    },
}  # fmt: skip
"""Column to other words for its keys that do not look alike."""


def unknown_keys(column: str, value: Any, declared: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the keys of a patient or of recommendations that nothing reads, each as its path with the key that was probably meant.

    Args:
        column: `patient` or `recommended`.
        value: The object, or the list of objects; other values have no keys.
        declared: Further keys that the owner of the data has declared; one that differs from a known key only in case or spelling
            marks stays unknown.

    >>> list(unknown_keys("recommended", [{"drug": "amlodipine", "Dose": 50}]))
    [('recommended[0].Dose', "did you mean 'dose'?")]
    """
    keys = KEYS[column]
    items = [(f"{column}[{i}]", item) for i, item in enumerate(value)] if isinstance(value, list) else [(column, value)]
    for place, item in items:
        if isinstance(item, Mapping) and not item.keys() <= keys:
            for key in item:
                if key not in keys and (key not in declared or _folded(key) in map(_folded, keys)):
                    yield f"{place}.{key}", _meant(column, str(key))


def _meant(column: str, key: str) -> str:
    folded, keys = _folded(key), KEYS[column]
    other = next((known for word, known in _OTHER_WORDS[column].items() if _folded(word) == folded), "")
    same = next((known for known in keys if _folded(known) == folded), other)
    return f"did you mean '{same}'?" if same else did_you_mean(key.lower(), keys)


def _folded(key: Any) -> str:
    return "".join(filter(str.isalnum, str(key).casefold()))


@dataclass(frozen=True)
class Example:
    """One example (design: an item of the symbolic generator, rendered to text).

    Attributes:
        example_id: Hash of what the item asks; the same item has the same id in every run.
        task: Task family that generated it.
        capabilities: Capabilities that it exercises, as declared by its task.
        messages: The prompt, chat form.
        response: A reference response.
        answer: Canonical gold: the text that an ideal final answer consists of.
        options: Texts to choose from, in the order of their letters; None for an open question.
        constraints: Format constraints on the response.
        patient: The patient of the question, or None.
        recommended: Drugs that the reference response recommends.
        workflow: Ordered names of clinical steps in the response.
        entities: Graph nodes that the item is about.
        edges: Triples that prove the answer, in reasoning order.
        open_book: Whether the prompt contains the evidence.
        hops: Number of edges between question and answer.
        level: Difficulty, 1 (easiest) and up.
        cluster: The entity whose items belong together in resampling and splitting.
        split: train, validation or test.
        provenance: Its origin.
        accepted: All correct texts if there is more than one (`answer` is the first); empty: only `answer`.
    """

    example_id: str
    task: str
    capabilities: list[str]
    messages: list[Message]
    response: str
    answer: str
    options: list[str] | None = None
    constraints: list[Constraint] = field(default_factory=list)
    patient: Patient | None = None
    recommended: list[Recommendation] = field(default_factory=list)
    workflow: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    edges: list[Triple] = field(default_factory=list)
    open_book: bool = False
    hops: int = 1
    level: int = 1
    cluster: str = ""
    split: Split = "train"
    provenance: Provenance | None = None
    accepted: list[str] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """The text of the last user turn."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")

    def to_row(self) -> dict[str, Any]:
        """Return the record as a table row; `kwargs` of constraints become JSON text, since their keys differ by type."""
        row = asdict(self)
        row["constraints"] = [{"type": c["type"], "kwargs": json.dumps(c["kwargs"])} for c in self.constraints]
        row["edges"] = [list(edge) for edge in self.edges]
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any], where: str = "") -> Example:
        """Read a table row or JSON object.

        Args:
            row: Column names to values, as `to_row` or a JSONL line gives them; numpy arrays count as lists.
            where: File and row, for the error message.

        Raises:
            InputError: A required field is missing, a field is unknown, or a value has the wrong shape.
        """
        names = {f.name for f in fields(cls)}
        missing = [n for n in ("example_id", "task", "capabilities", "messages", "response", "answer") if row.get(n) is None]
        unknown = [n for n in row if n not in names]
        problems = [Problem(f"the example lacks '{n}'", where) for n in missing]
        problems += [Problem(f"unknown field '{n}'", where, did_you_mean(n, names)) for n in unknown]
        for column in KEYS:
            problems += [Problem(f"unknown field '{path}'", where, hint) for path, hint in unknown_keys(column, _plain(row.get(column)))]
        if problems:
            raise InputError(*problems)
        value = {name: _plain(v) for name, v in row.items() if v is not None}
        try:
            for name in ("messages", "constraints", "edges"):
                if not isinstance(value.get(name, []), list):
                    raise TypeError(f"'{name}' must be a list, not {value[name]!r}")
            value["constraints"] = [_constraint(c) for c in value.get("constraints", ())]
            value["edges"] = [_triple(edge) for edge in value.get("edges", ())]
            _check_shapes(value)
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise InputError(Problem(f"malformed example: {error}", where)) from error
        return cls(**value)


def _plain(value: Any) -> Any:
    """Convert the arrays and scalars of table readers to plain Python, so that a list is a `list` everywhere."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _constraint(raw: Mapping[str, Any]) -> Constraint:
    if not isinstance(raw, Mapping) or not {"type", "kwargs"} <= set(raw):
        raise TypeError(f"'constraints' must be a list of objects with type and kwargs, not {raw!r}")
    kwargs = raw["kwargs"]
    kwargs = json.loads(kwargs) if isinstance(kwargs, str) else dict(kwargs or {})
    if not isinstance(kwargs, dict):
        raise ValueError(f"constraint kwargs must be an object, not {kwargs!r}")
    return Constraint(type=str(raw["type"]), kwargs=kwargs)


def _triple(edge: Iterable[Any]) -> Triple:
    if isinstance(edge, str) or len(ends := list(edge)) != 3:
        raise TypeError(f"'edges' must be a list of subject, predicate and object, not {edge!r}")
    subject, predicate, obj = ends
    return str(subject), str(predicate), str(obj)


def _check_patient(patient: Any) -> None:
    if not isinstance(patient, Mapping):
        raise TypeError(f"'patient' must be an object, not {patient!r}")
    for name in ("conditions", "medications", "allergies"):
        cell = patient.get(name)
        if cell is not None and (not isinstance(cell, list) or not all(isinstance(v, str) for v in cell)):
            raise TypeError(f"'patient.{name}' must be a list of texts, not {cell!r}")
    for name in ("age", "egfr"):
        cell = patient.get(name)
        if isinstance(cell, bool) or not isinstance(cell, (int, float, type(None))):
            raise TypeError(f"'patient.{name}' must be a number, not {cell!r}")


def _check_shapes(value: Mapping[str, Any]) -> None:
    _check_texts(value)
    _check_messages(value["messages"])
    _check_scalars(value)
    if "patient" in value:
        _check_patient(value["patient"])
    for drug in value.get("recommended", []):
        if not isinstance(drug, Mapping) or not isinstance(drug.get("drug"), str):
            raise TypeError(f"'recommended' must be a list of objects with a drug, not {drug!r}")
    provenance = value.get("provenance", dict.fromkeys(Provenance.__annotations__))
    if not isinstance(provenance, Mapping) or not Provenance.__annotations__.keys() <= provenance.keys():
        raise TypeError(f"'provenance' must be an object with {', '.join(Provenance.__annotations__)}, not {provenance!r}")
    if value.get("split", "train") not in SPLITS:
        raise ValueError(f"'split' must be one of {', '.join(SPLITS)}, not {value['split']!r}")


def _check_texts(value: Mapping[str, Any]) -> None:
    for name in ("capabilities", "options", "workflow", "entities", "accepted"):
        cell = value.get(name, [])
        if not isinstance(cell, list) or not all(isinstance(v, str) for v in cell):
            raise TypeError(f"'{name}' must be a list of texts, not {cell!r}")
    for name in ("example_id", "task", "response", "answer", "cluster"):
        if not isinstance(value.get(name, ""), str):
            raise TypeError(f"'{name}' must be text, not {value[name]!r}")


def _check_messages(messages: Sequence[Any]) -> None:
    if not messages:
        raise ValueError("'messages' must hold at least one message")
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            raise TypeError(f"'messages' must be a list of objects with a role and a content, not {message!r}")


def _check_scalars(value: Mapping[str, Any]) -> None:
    for name in ("hops", "level"):
        if isinstance(value.get(name, 1), bool) or not isinstance(value.get(name, 1), int):
            raise TypeError(f"'{name}' must be a whole number, not {value[name]!r}")
    if not isinstance(value.get("open_book", False), bool):
        raise TypeError(f"'open_book' must be true or false, not {value['open_book']!r}")
