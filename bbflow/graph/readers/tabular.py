"""Reader of tables by a mapping: CSV, TSV and Parquet, of nodes and edges or of edges alone (see `mapping.py`).

Tables are read row by row, so memory grows with the graph, not with the tables.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.ontology import KINDS, PREDICATES
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.lines import lines
from bbflow.graph.readers.mapping import Column, Mapping, Relation, Table, load_mapping

SUFFIXES = (".csv", ".tsv", ".sif", ".tab", ".txt", ".parquet")
Cell = Callable[[list[str]], str]
_TRUTH = {"true": True, "1": True, "yes": True, "y": True, "false": False, "0": False, "no": False, "n": False}


def read(path: Path, draft: GraphBuilder, mapping: Mapping) -> KnowledgeGraph:
    """Read a folder of tables, or one table of edges."""
    draft.merge = mapping.duplicates == "merge" or mapping.both_directions
    reading = _Reading(path, draft, mapping)
    alone = path.is_file() and len(mapping.edges) == 1
    tables = [(table, file, reading.nodes) for table in mapping.nodes for file in _files(path, table)]
    tables += [(table, file, reading.edges) for table in mapping.edges for file in _files(path, table, alone)]
    broken: list[Problem] = []
    found = 0
    for table, file, read_table in tables:
        try:
            found += read_table(file, table)
        except InputError as error:  # go on, so that the problems of the other files are reported too
            broken += error.problems
    if broken:
        raise InputError(*broken, *draft.problems)
    if not found:
        wanted = ", ".join(dict.fromkeys(pattern for table in (*mapping.nodes, *mapping.edges) for pattern in table.files))
        raise InputError(Problem(f"no table here is one that the mapping '{mapping.name}' knows", str(path), f"it looks for {wanted}"))
    if path.is_file() and mapping.nodes and not draft.nodes:
        named = ", ".join(pattern for table in mapping.nodes for pattern in table.files)
        what = f"the mapping '{mapping.name}' reads nodes from files of their own ({named}), and this is one file of edges"
        raise InputError(Problem(what, str(path), f"name the folder: {path.parent}"))
    if path.is_dir():
        _all_there(path, mapping, {id(table) for table, *_ in tables})
    reading.finish()
    return draft.build(mapping.name, mapping.version, mapping.card)


def _all_there(path: Path, mapping: Mapping, found: set[int]) -> None:
    """Raise if the folder lacks a table that the mapping names; part of the graph would be lost silently."""
    names = [file.name for file in path.iterdir()]
    problems = []
    for table in (*mapping.nodes, *mapping.edges):
        if id(table) not in found and not table.optional:
            what = f"the mapping '{mapping.name}' reads {' or '.join(table.files)}, and no file is called so"
            problems.append(
                Problem(what, str(path), f"{did_you_mean(table.files[0], names)}; 'optional: true' on a table lets it be missing")
            )
    if problems:
        raise InputError(*problems)


def guess(path: Path, names: Sequence[str]) -> Mapping | None:
    """Return the mapping whose edge table has most of its columns in a table or folder; None if none has half of them."""
    best: tuple[float, bool, Mapping] | None = None
    for name in names:
        mapping = load_mapping(name)
        for table in mapping.edges:
            for file in _files(path, table, alone=path.is_file() and len(mapping.edges) == 1):
                header, _ = _open(file, table, mapping)
                needed = [c for c in table.columns.values() if not c.optional]
                share = sum(_present(c, header) for c in needed) / len(needed)
                if table.only_if is not None and table.only_if not in header:
                    continue
                score = (share, any(file.match(pattern) for pattern in table.files))
                if best is None or score > best[:2]:
                    best = (*score, mapping)
    return best[2] if best is not None and best[0] >= 0.5 else None


class _Reading:
    """State of reading a data set: the meanings of the words and identifiers seen so far."""

    def __init__(self, path: Path, draft: GraphBuilder, mapping: Mapping) -> None:
        self.path, self.draft, self.mapping = path, draft, mapping
        self.curies: dict[str, str] = {}
        self.kinds: dict[str, str] = {}  # node id to kind
        self.dropped: set[str] = set()  # nodes that the mapping leaves out
        self.unknown: Counter[tuple[str, str]] = Counter()
        self.first: dict[tuple[str, str], str] = {}

    def nodes(self, file: Path, table: Table) -> bool:
        """Read a table of nodes; return False if the file is not one."""
        header, rows = _open(file, table, self.mapping)
        if table.only_if is not None and table.only_if not in header:
            return False
        cell = _cells(table, header, file)
        attributes = _attributes(table, header)
        for line, row in rows:
            if not self._whole(row, header, file, line):
                continue
            node, name = self._curie(cell["id"](row)), cell["name"](row).strip()
            known, kind = self._kind(table.kind or cell["kind"](row), file, line)
            if not node or not name:
                self.draft.malformed(f"a node without {'name' if node else 'id'}", f"{file}:{line}")
            elif kind is None:
                self.dropped.add(node)
                self.draft.left_out["node of a kind that the mapping leaves out"] += known
            else:
                listed = cell["synonyms"](row).split(self.mapping.list_separator) if "synonyms" in cell else []
                synonyms = tuple(text for word in listed if (text := word.strip()) and text != name)
                self.kinds.setdefault(node, kind)
                try:
                    more = _node_values(attributes, row)
                except ValueError as error:
                    self.draft.malformed(str(error), f"{file}:{line}", reason="a value that is neither yes nor no")
                else:
                    self.draft.node(Node(node, kind, name, synonyms, more), file, line)
        return True

    def edges(self, file: Path, table: Table) -> bool:
        """Read a table of edges; return False if the file is not one."""
        header, rows = _open(file, table, self.mapping)
        if table.only_if is not None and table.only_if not in header:
            return False
        cell = _cells(table, header, file)
        attributes = _attributes(table, header)
        template = self._template(file)
        for line, row in rows:
            if not self._whole(row, header, file, line):
                continue
            ends = self._ends(cell, row, file, line)
            if ends is None:
                continue
            subject, obj = ends
            word = table.predicate or cell["predicate"](row)
            try:
                relation = self.mapping.relation(word)
            except KeyError:
                self._unknown("predicate", word, file, line)
                continue
            if relation is None:
                self.draft.left_out[f"edges '{word}' (by the mapping)"] += 1
            elif subject in self.dropped or obj in self.dropped:
                self.draft.left_out["edge to a node that is left out"] += 1
            else:
                source = (cell["source"](row).strip() if "source" in cell else "") or template.replace("{row}", str(line))
                said = cell["verified"](row).strip() if "verified" in cell else ""
                more = {**relation.attributes, **_values(attributes, row)}
                try:
                    verified = _truth("verified", said) if said else self.mapping.verified
                except ValueError as error:
                    self.draft.malformed(str(error), f"{file}:{line}", reason="a value that is neither yes nor no")
                else:
                    self._add(relation, subject, obj, source, verified, more, file, line)
        return True

    def _ends(self, cell: dict[str, Cell], row: list[str], file: Path, line: int) -> tuple[str, str] | None:
        """Return subject and object of an edge, and add the nodes that its row declares; None if a declaration is malformed."""
        subject, obj = self._curie(cell["subject"](row)), self._curie(cell["object"](row))
        if not subject or not obj:
            self.draft.malformed(f"an edge without {'object' if subject else 'subject'}", f"{file}:{line}")
            return None
        if "subject_kind" in cell and "object_kind" in cell:
            for role, node in (("subject", subject), ("object", obj)):
                if not self._end(cell, role, node, row, file, line):
                    return None
        return subject, obj

    def finish(self) -> None:
        """Report each unknown word once, with the number of its rows."""
        for (part, word), count in self.unknown.items():
            hint = f"add it to `{part}s:` in a mapping that extends '{self.mapping.name}'; null leaves it out"
            near = did_you_mean(word, PREDICATES if part == "predicate" else KINDS)
            hint = f"{near} Else {hint}" if near.startswith("did you mean") else hint
            what = f"{part} '{word[:60]}' is not in the mapping"
            self.draft.malformed(f"{what} ({count:,} rows)", self.first[part, word], hint, reason=what, rows=count)

    def _add(
        self, relation: Relation, subject: str, obj: str, source: str, verified: bool, more: dict[str, Any], file: Path, line: int
    ) -> None:
        if relation.inverse:
            subject, obj = obj, subject
        predicate = PREDICATES[relation.predicate]
        either_way = predicate.symmetric
        if self.mapping.both_directions:
            kinds = self.kinds.get(subject, ""), self.kinds.get(obj, "")
            if not predicate.fits(*kinds) and predicate.fits(*reversed(kinds)):
                subject, obj = obj, subject
            either_way = True
        self.draft.edge(Edge(subject, relation.predicate, obj, source, verified, more), file, line, either_way=either_way)

    def _end(self, cell: dict[str, Cell], role: str, node: str, row: list[str], file: Path, line: int) -> bool:
        """Add the node at one end of an edge from columns of the edge's row; return False if these are malformed."""
        said = cell[f"{role}_kind"](row)
        if not said or node in self.dropped:
            return True
        known, kind = self._kind(said, file, line)
        if not known:
            return False
        if kind is None:
            self.dropped.add(node)
        elif self.kinds.get(node, kind) != kind:
            self.draft.malformed(
                f"'{node}' is a {kind} here and a {self.kinds[node]} elsewhere", f"{file}:{line}", reason="two kinds for a node"
            )
            return False
        elif node not in self.kinds:
            name = (cell[f"{role}_name"](row) if f"{role}_name" in cell else "").strip()
            if not name:
                self.draft.malformed(f"the {role} '{node}' has no name", f"{file}:{line}", reason="an end without a name")
                return False
            self.kinds[node] = kind
            self.draft.node(Node(node, kind, name), file, line)
        return True

    def _curie(self, raw: str) -> str:
        found = self.curies.get(raw)
        if found is None:
            found = self.curies[raw] = self.mapping.curie(raw.strip())
        return found

    def _kind(self, word: str, file: Path, line: int) -> tuple[bool, str | None]:
        """Return whether a word, or one of the labels it lists, is known, and its kind."""
        for label in word.split(self.mapping.list_separator):
            try:
                return True, self.mapping.kind(label)
            except KeyError:
                continue
        self._unknown("kind", word, file, line)
        return False, None

    def _unknown(self, part: str, word: str, file: Path, line: int) -> None:
        self.unknown[part, word] += 1
        self.first.setdefault((part, word), f"{file}:{line}")

    def _whole(self, row: list[str], header: list[str], file: Path, line: int) -> bool:
        if len(row) != len(header):
            what = f"{len(row)} columns where the header has {len(header)}"
            self.draft.malformed(what, f"{file}:{line}", reason="wrong number of columns")
        return len(row) == len(header)

    def _template(self, file: Path) -> str:
        filled = {"file": file.name, "name": self.mapping.name, "version": self.mapping.version}
        return re.sub(r"\{(file|name|version)\}", lambda match: filled[match[1]], self.mapping.source)


def _files(path: Path, table: Table, alone: bool = False) -> list[Path]:
    """List the files of a table in order of their names; a single file of any name if only one table is read."""
    if path.is_file():
        return [path] if (alone and table.header is None) or any(path.match(pattern) for pattern in table.files) else []
    found = dict.fromkeys(file for pattern in table.files for file in sorted(path.glob(pattern)) if file.is_file())
    return [file for file in found if table.header is None or not file.name.endswith(table.header)]


def _open(file: Path, table: Table, mapping: Mapping) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the header of a table and its rows, each with its line (of Parquet: its number)."""
    if file.suffix == ".parquet":
        return _parquet(file)
    suffix = Path(file.name.removesuffix(".gz")).suffix
    delimiter = table.delimiter or mapping.delimiter or ("," if suffix == ".csv" else "\t")
    if len(delimiter) != 1 or len(mapping.quote) != 1:
        raise InputError(Problem("delimiter and quote are one character each", f"mapping '{mapping.name}'"))

    def rows(source: Path, whole: bool) -> Iterator[tuple[int, list[str]]]:
        # A tab-separated file has no quoting: a quote character in a name is one.
        quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        text = (line + "\n" for _, line in lines(source, mapping.encoding, whole))
        reader = csv.reader(text, delimiter=delimiter, quotechar=mapping.quote, quoting=quoting, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise InputError(
                Problem(f"not a table: {error}", f"{source}:{reader.line_num}", f"delimiter {delimiter!r}, quote {mapping.quote!r}")
            ) from None

    if table.header is not None:
        beside = file.with_name(re.sub(r"-part\d*\.csv$", "", file.name) + table.header)
        if not beside.is_file():
            raise InputError(Problem(f"there is no header file '{beside.name}' next to it", str(file)))
        header = next((row for _, row in rows(beside, whole=False)), [])
        return _names(header, beside), rows(file, whole=True)
    body = rows(file, whole=True)
    first = next(body, None)
    if first is None:
        raise InputError(Problem("the table is empty", str(file)))
    return _names(first[1], file), body


def _names(header: list[str], file: Path) -> list[str]:
    """Return column names without the types and groups that Neo4j's importer appends."""
    names = [re.sub(r"(?<=.):(string|long|int|double|float|boolean)(\[\])?$|\([^)]*\)$", "", name.strip()) for name in header]
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise InputError(Problem(f"column '{twice[0]}' stands twice", f"{file}:1"))
    return names


def _parquet(file: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    import pyarrow
    import pyarrow.parquet

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            for batch in table.iter_batches(batch_size=10_000):
                columns = [batch.column(i).to_pylist() for i in range(batch.num_columns)]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield number, [_text(value) for value in values]
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(Problem(f"not a whole Parquet file: {error}", f"{file}:{number}")) from None

    try:
        table = pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(Problem(f"not a whole Parquet file: {error}", str(file))) from None
    return list(table.schema_arrow.names), rows()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "|".join(map(_text, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _present(column: Column, header: list[str]) -> bool:
    return (all if column.join else any)(name in header for name in column.names)


def _cells(table: Table, header: list[str], file: Path) -> dict[str, Cell]:
    """Return a function for each part of a node or edge that extracts it from a row."""
    problems = []
    cells: dict[str, Cell] = {}
    for part, column in table.columns.items():
        if _present(column, header):
            cells[part] = _cell(column, header)
        elif not column.optional:
            missing = [name for name in column.names if name not in header] if column.join else list(column.names)
            what = f"the table lacks column {' or '.join(repr(name) for name in missing)}, its {part}"
            problems.append(Problem(what, f"{file}:1", did_you_mean(missing[0], header)))
    for part in ("kind",) if "id" in table.columns else ("predicate",):
        if part not in cells and getattr(table, part) is None and not problems:
            problems.append(Problem(f"the table has no {part}", f"{file}:1"))
    if problems:
        raise InputError(*problems)
    return cells


def _cell(column: Column, header: list[str]) -> Cell:
    if column.join:
        places = [header.index(name) for name in column.names]
        return lambda row: ":".join([row[place].strip() for place in places])
    place = next(header.index(name) for name in column.names if name in header)
    return lambda row: row[place]


def _attributes(table: Table, header: list[str]) -> list[tuple[str, Cell]]:
    return [(name, _cell(column, header)) for name, column in table.attributes.items() if _present(column, header)]


def _values(attributes: list[tuple[str, Cell]], row: list[str]) -> dict[str, str]:
    return {name: value for name, cell in attributes if (value := cell(row).strip())}


def _node_values(attributes: list[tuple[str, Cell]], row: list[str]) -> dict[str, Any]:
    """Return the attributes of a node: `risk` as a truth value, `coverage.disease` and the like as one mapping of axes."""
    found: dict[str, Any] = {}
    for name, value in _values(attributes, row).items():
        part, _, axis = name.partition(".")
        if part == "coverage" and axis:
            found.setdefault("coverage", {})[axis] = value
        else:
            found[name] = _truth(name, value) if name == "risk" else value
    return found


def _truth(name: str, word: str) -> bool:
    try:
        return _TRUTH[word.lower()]
    except KeyError:
        raise ValueError(f"{name} is yes or no, not '{word[:60]}'") from None
