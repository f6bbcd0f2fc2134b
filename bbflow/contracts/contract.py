"""A data contract in memory: what its YAML file says, checked, with the place of every rule for messages."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bbflow.contracts.check import check
from bbflow.contracts.rule import RULES, Rule
from bbflow.contracts.schema import ACTIONS, data_contract_schema
from bbflow.errors import InputError, Problem
from bbflow.yaml_file import YamlFile, read_yaml

Severity = Literal["critical", "warning", "info"]
Action = Literal["refuse", "quarantine", "report"]


@dataclass(frozen=True)
class QualityRule:
    """One entry of a contract's `quality`: a rule, its arguments, and what follows when rows fail.

    Attributes:
        id: Unique within the contract.
        name: Shown in reports.
        rule: The rule of the registry.
        kwargs: Its arguments.
        severity: critical, warning or info.
        on_failure: What follows when a row fails.
        on_empty: What follows when the rule applied to no row at all.
        dimension: Dimension of data quality, in the words of ODCS; may be empty.
        tags: Labels of the owner's own.
        where: `file:line:column` of the entry.
    """

    id: str
    name: str
    rule: Rule
    kwargs: Mapping[str, Any]
    severity: Severity
    on_failure: Action
    on_empty: Literal["refuse", "pass"] = "refuse"
    dimension: str = ""
    tags: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Contract:
    """What the data must satisfy.

    Attributes:
        path: The file.
        id: Identifier of the contract.
        version: Its version.
        columns: Declared columns, as in the file.
        rules: In file order.
        max_quarantine_fraction: At most this share of all rows may be quarantined; above it the data are refused.
        sha256: Hash of the file's bytes.
        where: `file:line:column` of each declared column.
    """

    path: Path
    id: str
    version: str
    columns: tuple[Mapping[str, Any], ...]
    rules: tuple[QualityRule, ...]
    max_quarantine_fraction: float
    sha256: str
    where: Mapping[str, str]


def load_contract(path: str | Path) -> Contract:
    """Reads a contract.

    Args:
        path: A YAML file by the schema of `data_contract_schema`.

    Raises:
        InputError: Whatever is wrong with it, everything at once, each with line and column.
    """
    file = read_yaml(path)
    problems = check(file, data_contract_schema())
    if problems:
        raise InputError(*problems)
    table = file.data["schema"][0]
    rules = [_rule(file, i, raw, problems) for i, raw in enumerate(table["quality"])]
    columns = table.get("properties", [])
    _distinct(file, "quality", "id", table["quality"], problems)
    _distinct(file, "properties", "name", columns, problems)
    _distinct(file, "customProperties", "property", file.data.get("customProperties", []), problems, at=())
    for i, raw in enumerate(table["quality"]):
        _distinct(file, "customProperties", "property", raw.get("customProperties", []), problems, at=("schema", 0, "quality", i))
    if problems:
        raise InputError(*problems)
    return Contract(
        path=Path(path),
        id=file.data["id"],
        version=file.data["version"],
        columns=tuple(columns),
        rules=tuple(rules),
        max_quarantine_fraction=float(_settings(file.data).get("maxQuarantineFraction", 0.0)),
        sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        where={column["name"]: file.where("schema", 0, "properties", i) for i, column in enumerate(columns)},
    )


def _rule(file: YamlFile, i: int, raw: dict[str, Any], problems: list[Problem]) -> QualityRule:
    settings, severity = _settings(raw), raw["severity"]
    action = settings.get("onFailure", ACTIONS[severity][0])
    if action not in ACTIONS[severity]:
        what = f"a rule of severity {severity} cannot {action} on failure"
        problems.append(
            Problem(what, file.where("schema", 0, "quality", i, "customProperties"), f"it can {' or '.join(ACTIONS[severity])}")
        )
    implementation = raw["implementation"]
    return QualityRule(
        id=raw["id"],
        name=raw.get("name", raw["id"]),
        rule=RULES[implementation["type"]],
        kwargs=implementation.get("kwargs", {}),
        severity=severity,
        on_failure=action,
        on_empty=settings.get("onEmpty", "refuse"),
        dimension=raw.get("dimension", ""),
        tags=tuple(raw.get("tags", ())),
        where=file.where("schema", 0, "quality", i),
    )


def _settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in raw.get("customProperties", ())}


def _distinct(
    file: YamlFile, key: str, label: str, entries: list[dict[str, Any]], problems: list[Problem], at: tuple[Hashable, ...] = ("schema", 0)
) -> None:
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        if entry[label] in seen:
            problems.append(Problem(f"{label} '{entry[label]}' stands twice in {key}", file.where(*at, key, i, label)))
        seen.add(entry[label])
