"""Mappings: YAML files that translate the columns and words of a data set into bbflow's ontology.

A mapping is data: it names columns and terms, and nothing in it is executed. It may start with `extends: primekg` (a
bundled mapping) or `extends: ./ours.yaml`; `kinds`, `predicates` and `ids` then extend those of the base, and all other
keys replace them. All mappings build on `mappings/biolink.yaml`, the table of common synonyms of Biolink terms.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.ontology import KINDS, PREDICATES
from bbflow.io.yaml import YamlFile, read_yaml

FOLDER = Path(__file__).parent / "mappings"
_COLUMNS = {
    "nodes": ("id", "kind", "name", "synonyms", "attributes"),
    "edges": (
        "subject", "predicate", "object", "source", "verified", "subject_kind", "subject_name", "object_kind", "object_name", "attributes",
    ),
}  # fmt: skip
_REQUIRED = {"nodes": ("id", "name"), "edges": ("subject", "object")}
_TABLE_KEYS = ("files", "columns", "delimiter", "header", "only_if", "kind", "predicate", "optional")


@dataclass(frozen=True)
class Relation:
    """Meaning of a data set's word for a relation: a predicate, with swapped ends if `inverse`, and fixed attributes."""

    predicate: str
    inverse: bool = False
    attributes: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """Source of a value: the first of `names` that the table has, or all of them `join`ed by colons."""

    names: tuple[str, ...]
    join: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """One kind of file: patterns of file names within a folder, format, and columns.

    Attributes:
        files: File name patterns.
        columns: Part of a node or edge to its column.
        attributes: Name of an attribute to its column.
        delimiter: Between columns; None: by suffix, a comma for `.csv`, else a tab.
        header: End of the name of a separate header file, as `-header.csv`; None: the first line is the header.
        only_if: Files whose header lacks this column are skipped.
        kind: Kind of all nodes of the table.
        predicate: Predicate of all edges of the table.
        optional: Whether a folder may lack it.
    """

    files: tuple[str, ...]
    columns: Dict[str, Column]
    attributes: Dict[str, Column] = field(default_factory=dict)
    delimiter: str | None = None
    header: str | None = None
    only_if: str | None = None
    kind: str | None = None
    predicate: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Mapping:
    """A mapping, read and checked. Keys of the file are the attributes below.

    Attributes:
        name: Name of the graph.
        version: Version of the graph's contents.
        about: Description.
        licence: Terms of use.
        citation: Reference to cite.
        salt: Salt of the splits; by default the name.
        source: Source of edges that name none; {file}, {row}, {name} and {version} are filled in.
        encoding: Encoding of the tables.
        delimiter: Default delimiter of the tables.
        quote: Quote character of the tables.
        list_separator: Separator between the synonyms, or labels, of one cell.
        duplicates: `merge` keeps the first of several rows for one edge; `refuse` reports the others.
        both_directions: Whether every edge occurs twice, once in each direction; the first, or the one that fits, is kept.
        verified: Whether edges count as verified if no column says so.
        ids: Start of an identifier to its CURIE prefix, longest first, and the width of zero padding.
        kinds: Word for a kind to the kind; None leaves such nodes out.
        predicates: Word for a relation to its meaning; None leaves such edges out.
        nodes: Tables of nodes.
        edges: Tables of edges.
        languages: UMLS: languages of names.
        sources: UMLS: vocabularies whose relations are taken; None: all.
    """

    name: str = "graph"
    version: str = "0"
    about: str = ""
    licence: str = ""
    citation: str = ""
    salt: str = ""
    source: str = ""
    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str = '"'
    list_separator: str = "|"
    duplicates: str = "refuse"
    both_directions: bool = False
    verified: bool = False
    ids: tuple[tuple[str, str, int], ...] = ()
    kinds: Dict[str, str | None] = field(default_factory=dict)
    predicates: Dict[str, Relation | None] = field(default_factory=dict)
    nodes: tuple[Table, ...] = ()
    edges: tuple[Table, ...] = ()
    languages: tuple[str, ...] = ("ENG",)
    sources: tuple[str, ...] | None = None

    @property
    def card(self) -> dict[str, str]:
        """Description, licence, citation and salt for the graph, as far as given."""
        told = {"about": self.about, "licence": self.licence, "citation": self.citation, "salt": self.salt}
        return {key: text for key, text in told.items() if text}

    def curie(self, raw: str) -> str:
        """Return an identifier as a CURIE, if its beginning is in `ids`.

        >>> Mapping(ids=(("MONDO:", "MONDO:", 7),)).curie("MONDO:5148")
        'MONDO:0005148'
        """
        for start, prefix, width in self.ids:
            if raw.startswith(start):
                return prefix + raw[len(start) :].zfill(width)
        return raw

    def kind(self, word: str) -> str | None:
        """Return the kind of a word, None if such nodes are left out; raise KeyError for an unknown word."""
        return self.kinds[word] if word in self.kinds else self.kinds[fold_word(word)]

    def relation(self, word: str) -> Relation | None:
        """Return the relation of a word, None if such edges are left out; raise KeyError for an unknown word."""
        return self.predicates[word] if word in self.predicates else self.predicates[fold_word(word)]


def fold_word(word: str) -> str:
    """Return one spelling for all spellings of a term.

    >>> fold_word("biolink:MayTreat") == fold_word("may treat") == fold_word("may-treat")
    True
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word.strip().removeprefix("biolink:"))
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")


def shipped() -> list[str]:
    """Return the names of the bundled mappings."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def biolink() -> Mapping:
    """Return the base of all mappings: bbflow's terms and the table of synonyms."""
    own = Mapping(
        kinds={word: kind for kind in KINDS for word in (kind, fold_word(kind))},
        predicates={predicate: Relation(predicate) for predicate in PREDICATES},
    )
    return _read(FOLDER / "biolink.yaml", own, ())


def load_mapping(name: str | Path) -> Mapping:
    """Read a mapping.

    Args:
        name: A bundled mapping (`primekg`, `hetionet`, ...), or a file.

    Raises:
        InputError: There is no such mapping, or it is malformed; every problem with file and line.
    """
    return _load(name, (), "--mapping")


def _load(name: str | Path, chain: tuple[Path, ...], asked_by: str) -> Mapping:
    path = FOLDER / f"{name}.yaml" if str(name) in shipped() else Path(name)
    if not _is_file(path):
        hint = f"a file, or one of: {', '.join(shipped())}"
        raise InputError(Problem(f"there is no mapping '{name}'", asked_by, hint))
    if path.resolve() in chain:
        raise InputError(Problem(f"the mapping '{name}' extends itself", asked_by))
    return _read(path, None, (*chain, path.resolve()))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long for a file
        return False


def _read(path: Path, base: Mapping | None, chain: tuple[Path, ...]) -> Mapping:
    file = read_yaml(path)
    data = file.data
    if not isinstance(data, dict):
        raise InputError(Problem("a mapping file is a YAML mapping", str(path)))
    problems: list[Problem] = []
    keys = [f.name for f in fields(Mapping)]
    problems += [
        Problem(f"unknown key '{k}'", file.where(k), did_you_mean(str(k), [*keys, "extends"])) for k in data if k not in (*keys, "extends")
    ]
    if base is None and "extends" in data:
        parent = str(data["extends"])
        beside = path.parent / parent
        base = _load(beside if parent not in shipped() and _is_file(beside) else parent, chain, file.where("extends"))
    base = base or biolink()
    changed = _settings(file, problems)
    changed["kinds"] = _words(base.kinds, _section(file, "kinds", problems), lambda raw, where: _kind(raw, where, problems))
    said = _section(file, "predicates", problems)
    changed["predicates"] = _words(base.predicates, said, lambda raw, where: _relation(raw, where, problems))
    changed["ids"] = _ids(base, _section(file, "ids", problems), problems)
    for key in ("nodes", "edges"):
        if key in data:
            tables = data[key] if isinstance(data[key], list) else [data[key]]
            changed[key] = tuple(t for i, raw in enumerate(tables) if (t := _table(file, key, i, raw, problems)) is not None)
    if problems:
        raise InputError(*problems)
    return replace(base, **changed)


def _settings(file: YamlFile, problems: list[Problem]) -> dict[str, Any]:
    """Return the settings of a mapping other than words, identifiers and tables."""
    data = file.data
    changed: dict[str, Any] = {}
    for key in ("name", "version", "about", "licence", "citation", "salt", "source", "encoding", "quote", "list_separator"):
        if key in data:
            changed[key] = str(data[key])
    if "encoding" in changed:
        try:
            codecs.lookup(changed["encoding"])
        except LookupError:
            problems.append(Problem(f"there is no encoding '{changed['encoding']}'", file.where("encoding"), "utf-8, latin-1, cp1252, ..."))
    if "delimiter" in data:
        changed["delimiter"] = None if data["delimiter"] is None else str(data["delimiter"])
    for key, allowed in (("duplicates", ("merge", "refuse")), ("both_directions", (True, False)), ("verified", (True, False))):
        if key in data and data[key] not in allowed:
            problems.append(Problem(f"'{key}' is {' or '.join(str(a).lower() for a in allowed)}, not {data[key]!r}", file.where(key)))
        elif key in data:
            changed[key] = data[key]
    for key in ("languages", "sources"):
        if key in data:
            changed[key] = None if data[key] is None else tuple(map(str, data[key] if isinstance(data[key], list) else [data[key]]))
    return changed


def _section(file: YamlFile, key: str, problems: list[Problem]) -> list[tuple[str, Any, str]]:
    raw = file.data.get(key) or {}
    if not isinstance(raw, dict):
        problems.append(Problem(f"'{key}' is a mapping", file.where(key)))
        return []
    return [(str(word), value, file.where(key, word)) for word, value in raw.items()]


def _words(base: Dict[str, Any], entries: list[tuple[str, Any, str]], parse: Any) -> dict[str, Any]:
    """Return a table with entries added, each under its spelling and its folded spelling."""
    table = dict(base)
    for word, raw, where in entries:
        value = parse(raw, where)
        table[word] = value
        table[fold_word(word)] = value
    return table


def _kind(raw: Any, where: str, problems: list[Problem]) -> str | None:
    if raw is not None and raw not in KINDS:
        problems.append(Problem(f"there is no kind '{raw}'", where, did_you_mean(str(raw), KINDS)))
    return raw if raw in KINDS else None


def _relation(raw: Any, where: str, problems: list[Problem]) -> Relation | None:
    if raw is None:
        return None
    said = {"predicate": raw} if isinstance(raw, str) else raw
    if not isinstance(said, dict) or said.keys() - {"predicate", "inverse", "attributes"} or said.get("predicate") not in PREDICATES:
        name = said.get("predicate") if isinstance(said, dict) else raw
        hint = did_you_mean(str(name), PREDICATES)
        what = (
            f"there is no predicate '{name}'" if name not in PREDICATES else "a relation has a predicate, and maybe inverse and attributes"
        )
        problems.append(Problem(what, where, hint if name not in PREDICATES else ""))
        return None
    attributes = said.get("attributes") or {}
    if not isinstance(attributes, dict) or not isinstance(said.get("inverse", False), bool):
        problems.append(Problem("'inverse' is true or false, 'attributes' a mapping", where))
        return None
    return Relation(said["predicate"], said.get("inverse", False), attributes)


def _ids(base: Mapping, entries: list[tuple[str, Any, str]], problems: list[Problem]) -> tuple[tuple[str, str, int], ...]:
    table = {start: (prefix, width) for start, prefix, width in base.ids}
    for start, raw, where in entries:
        said = {"prefix": raw} if isinstance(raw, str) else raw
        if not isinstance(said, dict) or not isinstance(said.get("prefix"), str) or not isinstance(said.get("width", 0), int):
            problems.append(Problem("an entry of 'ids' is a CURIE prefix, or {prefix, width}", where))
        else:
            table[start] = (said["prefix"], said.get("width", 0))
    return tuple((start, *table[start]) for start in sorted(table, key=len, reverse=True))


def _table(file: YamlFile, key: str, i: int, raw: Any, problems: list[Problem]) -> Table | None:
    where = file.where(key, i)
    before = len(problems)
    if not isinstance(raw, dict) or not isinstance(raw.get("columns"), dict):
        problems.append(Problem(f"an entry of '{key}' has 'files' and 'columns'", where))
        return None
    problems += [
        Problem(f"unknown key '{k}'", file.where(key, i, k), did_you_mean(str(k), _TABLE_KEYS)) for k in raw if k not in _TABLE_KEYS
    ]
    columns, attributes = _columns(file, key, i, raw["columns"], problems)
    given = {*columns, *(k for k in ("kind", "predicate") if raw.get(k) is not None)}
    needed = (*_REQUIRED[key], "kind" if key == "nodes" else "predicate")
    problems += [Problem(f"the table says nothing about '{part}'", where) for part in needed if part not in given]
    if raw.get("kind") is not None:
        _kind(raw["kind"], file.where(key, i, "kind"), problems)
    if raw.get("predicate") is not None:
        _relation(raw["predicate"], file.where(key, i, "predicate"), problems)
    if not isinstance(raw.get("optional", False), bool):
        problems.append(Problem("'optional' is true or false", file.where(key, i, "optional")))
    if len(problems) > before:
        return None
    patterns = raw.get("files") or ["*"]
    texts = {k: str(raw[k]) for k in ("delimiter", "header", "only_if", "kind", "predicate") if raw.get(k) is not None}
    named = tuple(map(str, patterns if isinstance(patterns, list) else [patterns]))
    return Table(named, columns, attributes, **texts, optional=raw.get("optional", False))


def _columns(file: YamlFile, key: str, i: int, raw: dict[str, Any], problems: list[Problem]) -> tuple[dict[str, Column], dict[str, Column]]:
    """Return the columns of the parts of a node or edge, and those of its attributes."""
    columns: dict[str, Column] = {}
    attributes: dict[str, Column] = {}
    for part, said in raw.items():
        at = file.where(key, i, "columns", part)
        if part not in _COLUMNS[key]:
            problems.append(Problem(f"'{part}' is no part of {key[:-1]} tables", at, did_you_mean(str(part), _COLUMNS[key])))
        elif part == "attributes" and isinstance(said, dict):
            attributes = {str(name): column for name, spec in said.items() if (column := _column(spec, at, problems)) is not None}
        elif (column := _column(said, at, problems)) is not None:
            columns[part] = column
    return columns, attributes


def _column(raw: Any, where: str, problems: list[Problem]) -> Column | None:
    """Read a column: a required name; a list of names, the first present or none; {any: names}, at least one; {join: names}, all."""
    if isinstance(raw, str):
        return Column((raw,))
    if isinstance(raw, list) and raw:
        return Column(tuple(map(str, raw)), optional=True)
    if (
        isinstance(raw, dict)
        and len(raw) == 1
        and isinstance(names := next(iter(raw.values())), list)
        and next(iter(raw)) in ("any", "join")
    ):
        return Column(tuple(map(str, names)), join="join" in raw)
    problems.append(Problem("a column is a name, a list of names, {any: names} or {join: names}", where))
    return None
