"""Data contracts, read from YAML and checked, with the place of every rule for messages.

A contract may extend another: it inherits columns, rules and settings, and an entry of `quality` with an inherited `id` changes only what
it gives. `disabled: <reason>` takes an inherited rule out, and every report says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bbflow.contracts.engine.rule import RULES, Rule
from bbflow.contracts.language.expectations import EXPECTATIONS, columns_read, expectation
from bbflow.contracts.language.json_schema import ACTIONS, data_contract_schema
from bbflow.contracts.language.renamed_rules import use_present_names
from bbflow.contracts.language.schema_validation import check
from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.io.checksums import file_sha256
from bbflow.io.yaml import YamlFile, read_yaml

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
        on_failure: Action when a row fails.
        on_empty: Action when the rule applied to no row.
        dimension: Dimension of data quality, in the words of ODCS; may be empty.
        tags: Labels of the owner's own.
        where: `file:line:column` of the entry.
        owner: Who answers for the rule; the contract's owner unless it names one.
        description: In the owner's words; may be empty.
        accept: Rows that must pass, as the file gives them.
        reject: Rows that must fail.
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
    owner: str = ""
    description: str = ""
    accept: tuple[Mapping[str, Any], ...] = ()
    reject: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Contract:
    """A data contract.

    Attributes:
        path: The file.
        id: Identifier of the contract.
        version: Its version.
        columns: Declared columns, as in the files.
        rules: In file order, inherited ones first.
        max_quarantine_fraction: At most this share of all rows may be quarantined; above it the data are refused.
        max_not_understood_fraction: At most this share of all rows may be set aside since they were not understood.
        sha256: Hash of the bytes of all files.
        where: `file:line:column` of each declared column.
        table: What it is about: examples, preferences or graph.
        name: Title.
        description: Purpose, limits and use, as in the file.
        owner: Who answers for it.
        test_row: The row that accept and reject rows are changes of.
        disabled: Id and reason of each inherited rule that was taken out.
        files: The contract file, those it extends, and data files that rules name, each with its sha256.
    """

    path: Path
    id: str
    version: str
    columns: tuple[Mapping[str, Any], ...]
    rules: tuple[QualityRule, ...]
    max_quarantine_fraction: float
    sha256: str
    where: Mapping[str, str]
    table: str = "examples"
    name: str = ""
    description: Mapping[str, Any] | None = None
    owner: str = ""
    test_row: Mapping[str, Any] | None = None
    disabled: tuple[tuple[str, str], ...] = ()
    files: Mapping[Path, str] | None = None
    max_not_understood_fraction: float = 1.0

    @property
    def physical(self) -> dict[str, str]:
        """Column, dotted for one inside an object, to what the data call it, where `physicalName` says so."""
        inner = ((f"{c['name']}.{p['name']}", p) for c in self.columns if c["logicalType"] == "object" for p in c.get("properties", ()))
        named = (*((c["name"], c) for c in self.columns), *inner)
        return {name: column["physicalName"] for name, column in named if column.get("physicalName")}


def load_contract(path: str | Path) -> Contract:
    """Read a contract and those it extends.

    Args:
        path: A YAML file by the schema of `data_contract_schema`.

    Raises:
        InputError: The contract is invalid; holds every mistake, each with line and column.
    """
    chain = list(_chain(Path(path), ()))
    problems = [problem for file in chain for problem in _repeated(file)]
    if problems:
        raise InputError(*problems)
    settings: dict[str, Any] = {}
    columns: dict[str, dict[str, Any]] = {}
    where: dict[str, str] = {}
    entries: dict[str, _Entry] = {}
    for file in chain:
        settings |= {k: v for k, v in _settings(file.data).items() if k != "extends"}
        table = file.data["schema"][0]
        for i, column in enumerate(table.get("properties", ())):
            columns[column["name"]] = {**columns.get(column["name"], {}), **column}
            where[column["name"]] = file.where("schema", 0, "properties", i)
        for i, raw in enumerate(table.get("quality", ())):
            entries[raw["id"]] = _laid_over(entries.get(raw["id"]), _Entry(raw, file, i, file, i))
    _complete(chain[-1], entries, problems)
    files = {file.path.resolve(): file_sha256(file.path) for file in chain}
    owner = settings.get("owner", "")
    rules = [_rule(entry, owner, files, problems) for entry in entries.values() if not problems and "disabled" not in _settings(entry.raw)]
    problems += [problem for entry in entries.values() for problem in _unknown_parts(entry, columns)] if not problems else []
    if problems:
        raise InputError(*problems)
    last = chain[-1].data
    hashes = [files[p] for p in sorted(files)]
    return Contract(
        path=Path(path),
        id=last["id"],
        version=last["version"],
        columns=tuple(columns.values()),
        rules=tuple(rules),
        max_quarantine_fraction=float(settings.get("maxQuarantineFraction", 0.0)),
        sha256=hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        where=where,
        table=last["schema"][0]["name"],
        name=last.get("name", last["id"]),
        description=last.get("description"),
        owner=owner,
        test_row=settings.get("testRow"),
        disabled=tuple((e.raw["id"], _settings(e.raw)["disabled"]) for e in entries.values() if "disabled" in _settings(e.raw)),
        files=files,
        max_not_understood_fraction=float(settings.get("maxNotUnderstoodFraction", 1.0)),
    )


@dataclass(frozen=True)
class _Entry:
    """An entry of `quality`, its place, and the place of its `implementation`."""

    raw: dict[str, Any]
    file: YamlFile
    index: int
    source: YamlFile
    source_index: int

    def where(self, *path: Hashable) -> str:
        return self.file.where("schema", 0, "quality", self.index, *path)


def _chain(path: Path, children: tuple[Path, ...]) -> Iterator[YamlFile]:
    """Yield the files of a contract, each checked by itself, the one that extends nothing first."""
    file = read_yaml(path)
    use_present_names(file)
    problems = check(file, data_contract_schema())
    if problems:
        raise InputError(*problems)
    parent = _settings(file.data).get("extends")
    if parent is not None:
        i = next(i for i, entry in enumerate(file.data["customProperties"]) if entry["property"] == "extends")
        place, target = file.where("customProperties", i, "value"), path.parent / parent
        if not target.is_file():
            near = did_you_mean(parent, [p.name for p in target.parent.glob("*.y*ml")] if target.parent.is_dir() else [])
            raise InputError(Problem(f"there is no contract '{parent}' to extend", place, near))
        if target.resolve() in (path.resolve(), *(child.resolve() for child in children)):
            raise InputError(Problem(f"the contract extends itself by way of '{parent}'", place))
        parents = list(_chain(target, (*children, path)))
        mine, theirs = file.data["schema"][0]["name"], parents[-1].data["schema"][0]["name"]
        if mine != theirs:
            raise InputError(Problem(f"a contract on {mine} cannot extend one on {theirs}", file.where("schema", 0, "name")))
        yield from parents
    yield file


def _laid_over(before: _Entry | None, entry: _Entry) -> _Entry:
    """Lay an entry over the inherited one of the same id."""
    if before is None:
        return entry
    custom = {c["property"]: c for c in (*before.raw.get("customProperties", ()), *entry.raw.get("customProperties", ()))}
    merged = {**before.raw, **entry.raw, "customProperties": list(custom.values())}
    source = entry if "implementation" in entry.raw else before
    return _Entry(merged, entry.file, entry.index, source.source, source.source_index)


def _complete(file: YamlFile, entries: Mapping[str, _Entry], problems: list[Problem]) -> None:
    """Add a problem for each part that is missing after inheritance."""
    for entry in entries.values():
        missing = [key for key in ("type", "engine", "implementation", "severity") if key not in entry.raw]
        if missing:
            near = did_you_mean(entry.raw["id"], [i for i in entries if i != entry.raw["id"]])
            what = f"no inherited rule has the id '{entry.raw['id']}', and the entry lacks {', '.join(repr(key) for key in missing)}"
            problems.append(Problem(what, entry.where("id"), near))
    if not problems and all("disabled" in _settings(entry.raw) for entry in entries.values()):
        problems.append(Problem("no rule is left in the contract", file.where("schema", 0, "quality")))


def _rule(entry: _Entry, owner: str, files: dict[Path, str], problems: list[Problem]) -> QualityRule:
    raw, settings = entry.raw, _settings(entry.raw)
    severity = raw["severity"]
    action = settings.get("onFailure", ACTIONS[severity][0])
    if action not in ACTIONS[severity]:
        what = f"a rule of severity {severity} cannot {action} on failure"
        problems.append(Problem(what, entry.where("customProperties"), f"it can {' or '.join(ACTIONS[severity])}"))
    implementation = raw["implementation"]
    name, kwargs = implementation["type"], implementation.get("kwargs", {})
    rule = RULES[name] if name in RULES else expectation(name, kwargs)
    return QualityRule(
        id=raw["id"],
        name=raw.get("name", raw["id"]),
        rule=rule,
        kwargs=_with_files(entry, rule, kwargs, files, problems),
        severity=severity,
        on_failure=action,
        on_empty=settings.get("onEmpty", "refuse"),
        dimension=raw.get("dimension", ""),
        tags=tuple(raw.get("tags", ())),
        where=entry.where(),
        owner=settings.get("owner", owner),
        description=raw.get("description", ""),
        accept=tuple(settings.get("accept", ())),
        reject=tuple(settings.get("reject", ())),
    )


def _with_files(entry: _Entry, rule: Rule, kwargs: Mapping[str, Any], files: dict[Path, str], problems: list[Problem]) -> dict[str, Any]:
    """Make the data files that arguments name absolute, and takes their hashes."""
    made = dict(kwargs)
    for key, value in kwargs.items():
        inner = rule.parameters[key].get("additionalProperties")
        if not isinstance(inner, dict) or inner.get("format") != "data-file":
            continue
        made[key] = {}
        for name, given in value.items():
            path = (entry.source.path.parent / given).resolve()
            where = entry.source.where("schema", 0, "quality", entry.source_index, "implementation", "kwargs", key, name)
            if path.is_file():
                files[path] = file_sha256(path)
            else:
                problems.append(Problem(f"there is no file '{given}'", where, "relative to the contract"))
            made[key][name] = str(path)
    return made


def _unknown_parts(entry: _Entry, columns: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield dotted columns of an expectation that the declared properties of their object lack."""
    implementation = entry.raw["implementation"]
    if implementation["type"] not in EXPECTATIONS:
        return
    for path, column in columns_read(implementation["type"], implementation.get("kwargs", {})):
        outer, _, inner = column.partition(".")
        known = [p["name"] for p in columns.get(outer, {}).get("properties", ())]
        if inner and known and inner.partition(".")[0] not in known:
            where = entry.source.where("schema", 0, "quality", entry.source_index, "implementation", "kwargs", *path)
            yield Problem(f"'{outer}' has no declared property '{inner}'", where, did_you_mean(inner, known))


def _settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in raw.get("customProperties", ())}


def _repeated(file: YamlFile) -> Iterator[Problem]:
    """Yield entries that occur twice in one file."""
    table = file.data["schema"][0]
    lists: list[tuple[tuple[Hashable, ...], str, str, list[dict[str, Any]]]] = [
        (("schema", 0), "quality", "id", table.get("quality", [])),
        (("schema", 0), "properties", "name", table.get("properties", [])),
        ((), "customProperties", "property", file.data.get("customProperties", [])),
    ]
    for i, raw in enumerate(table.get("quality", ())):
        lists.append((("schema", 0, "quality", i), "customProperties", "property", raw.get("customProperties", [])))
    for at, key, label, entries in lists:
        seen: set[str] = set()
        for i, entry in enumerate(entries):
            if entry[label] in seen:
                yield Problem(f"{label} '{entry[label]}' stands twice in {key}", file.where(*at, key, i, label))
            seen.add(entry[label])
