"""Rules and their closed registry.

A rule is a plain function; a decorator registers it under its own name. `row_rule` is for a check of single rows::

    @row_rule("response")
    def response_is_polite(row: Row, graph: KnowledgeGraph, *, word: str = "please") -> Iterator[str]:
        '''The response holds a word.'''
        if word not in row.text("response"):
            yield f"the response lacks '{word}'"

`table_rule` is for a check of all rows together (duplicates, leakage): it takes all rows and yields findings. A contract sets
the annotated keyword arguments in `kwargs`, which are checked against the annotations. Reports show the first line of the
docstring.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bbflow.contracts.engine.row import Finding, MalformedCell, Row
from bbflow.graph.knowledge_graph import KnowledgeGraph


@dataclass(frozen=True)
class Outcome:
    """Result of one run of a rule.

    Attributes:
        evaluated: How many rows the rule applied to.
        findings: Why rows fail; a row may fail for several reasons.
    """

    evaluated: int
    findings: list[Finding]


@dataclass(frozen=True)
class Rule:
    """A named check.

    Attributes:
        name: Name in contracts.
        summary: One sentence.
        columns: Columns it reads.
        run: Rows, graph and keyword arguments to the outcome.
        parameters: JSON Schema of each keyword argument.
        required: Keyword arguments without a default.
        group: Subject of the check, used as the heading in guides and explanations.
        one_row: Whether each row is checked by itself, so that chunks of rows may go to several processes.
        ships: Whether the rule is part of bbflow, so that every process has it.
        of_great_expectations: Whether it is an expectation of Great Expectations, which runs it.
    """

    name: str
    summary: str
    columns: tuple[str, ...]
    run: Callable[..., Outcome]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    group: str = ""
    one_row: bool = False
    ships: bool = False
    of_great_expectations: bool = False


Call = tuple[Rule, Mapping[str, Any]]
"""A rule and its arguments."""


def run_rule(call: Call, rows: Sequence[Row], graph: KnowledgeGraph) -> Outcome | str:
    """Return the outcome of a rule over rows, or a sentence if the rule crashes."""
    rule, kwargs = call
    try:
        return rule.run(rows, graph, **kwargs)
    except Exception as error:
        return f"the rule crashed: {type(error).__name__}: {error}"


RULES: dict[str, Rule] = {}
"""Name to rule; filled by the modules of `bbflow.contracts.rules` and by nothing that a contract could name."""

RowCheck = Callable[..., Iterable[str]]
TableCheck = Callable[..., Iterable[Finding]]


def row_rule(*columns: str, when: Callable[..., bool] | None = None, group: str = "form") -> Callable[[RowCheck], RowCheck]:
    """Register a function that yields the reasons why one row fails.

    Args:
        columns: Columns it reads; data that lack one are refused before any rule runs.
        when: Whether the rule applies, from the row, or the row and the graph; other rows do not count as evaluated. A row of which that
            cannot be told, because a cell is malformed, fails.
        group: What it looks at.
    """
    takes_graph = when is not None and len(inspect.signature(when).parameters) == 2

    def register(check: RowCheck) -> RowCheck:
        def run(rows: Sequence[Row], graph: KnowledgeGraph, **kwargs: Any) -> Outcome:
            evaluated, findings = 0, list[Finding]()
            for row in rows:
                try:
                    if when is not None and not (when(row, graph) if takes_graph else when(row)):
                        continue
                    for reason in check(row, graph, **kwargs):
                        findings.append(row.finding(reason))  # what was found before a malformed cell stays
                except MalformedCell as problem:
                    findings.append(row.finding(str(problem)))
                evaluated += 1
            return Outcome(evaluated, findings)

        _register(check, columns, run, group, one_row=True)
        return check

    return register


def table_rule(*columns: str, group: str = "data set") -> Callable[[TableCheck], TableCheck]:
    """Register a function that looks at all rows at once and yields findings."""

    def register(check: TableCheck) -> TableCheck:
        def run(rows: Sequence[Row], graph: KnowledgeGraph, **kwargs: Any) -> Outcome:
            return Outcome(len(rows), list(check(rows, graph, **kwargs)))

        _register(check, columns, run, group, one_row=False)
        return check

    return register


class DataFile(str):
    """A rule's argument that names a file of data; a contract gives it relative to itself, and the receipt holds its hash."""

    __slots__ = ()


def _register(check: Callable[..., Any], columns: tuple[str, ...], run: Callable[..., Outcome], group: str, one_row: bool) -> None:
    name = check.__name__
    if name in RULES:
        raise ValueError(f"there are two rules named '{name}'")
    hints = get_type_hints(check)
    keywords = [p for p in inspect.signature(check).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    parameters = {}
    for parameter in keywords:
        schema, default = _schema(hints[parameter.name]), parameter.default
        if default is not parameter.empty:
            schema["default"] = list(default) if isinstance(default, tuple) else default
        parameters[parameter.name] = schema
    required = tuple(p.name for p in keywords if p.default is p.empty)
    summary = (inspect.getdoc(check) or name).splitlines()[0]
    ships = check.__module__.startswith("bbflow.contracts.rules.")
    RULES[name] = Rule(name, summary, columns, run, parameters, required, group, one_row, ships)


_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _schema(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of an annotation.

    >>> _schema(dict[str, list[int]])
    {'type': 'object', 'additionalProperties': {'type': 'array', 'items': {'type': 'integer'}}}
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if hint is DataFile:
        return {"type": "string", "minLength": 1, "format": "data-file"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, Sequence):
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        inner = _schema(next(a for a in arguments if a is not type(None)))
        return {**inner, "type": [inner["type"], "null"]}
    raise TypeError(f"a rule's argument cannot be of type {hint}")
