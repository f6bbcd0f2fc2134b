"""A row of the data: cells by column name, and accessors that turn a null or malformed cell into a finding.

`row.texts("entities")` either returns a list of texts or raises `MalformedCell`, which the rule's wrapper reports as a failing
row. A rule therefore never skips a cell that it cannot read, and needs no code for that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from bbflow.records import Triple
from bbflow.text.tokenization import TokenizedText

T = TypeVar("T")


class MalformedCell(Exception):
    """A cell is null, is missing, or has the wrong shape; the message is the reason of the finding."""


@dataclass(frozen=True)
class Finding:
    """One reason why one row fails.

    Attributes:
        row: Position of the row in the data, from 0; None for what no single row is to blame for.
        reason: One sentence; holds no text that may identify a person.
        column: The text it was found in: a column, or `messages[0]`; empty where it was found in no text.
        span: First and last (exclusive) character of the offending words there.
        edges: Edges of the graph that prove it.
        understood: Whether the row was understood and fails; False where words could not be read, so that it neither passes nor fails.
    """

    row: int | None
    reason: str
    column: str = ""
    span: tuple[int, int] | None = None
    edges: tuple[Triple, ...] = ()
    understood: bool = True


class Reason(str):
    """A reason that also says where in a text, and by which edges; a rule that has neither yields a plain `str`."""

    __slots__ = ("column", "edges", "span", "understood")
    column: str
    span: tuple[int, int] | None
    edges: tuple[Triple, ...]
    understood: bool

    def __new__(
        cls, reason: str, column: str = "", span: tuple[int, int] | None = None, edges: tuple[Triple, ...] = (), understood: bool = True
    ) -> Reason:
        """Make a reason; the arguments are those of `Finding`."""
        made = super().__new__(cls, reason)
        made.column, made.span, made.edges, made.understood = column, span, edges, understood
        return made


class Row:
    """One example of the data.

    Args:
        position: Place in the data, from 0.
        cells: Column name to value; numpy arrays count as lists, NaN as null.
        plain_already: Whether `plain` has been applied to every cell.
    """

    __slots__ = ("_cells", "_known", "_plain", "position")

    def __init__(self, position: int, cells: Mapping[str, Any], plain_already: bool = False) -> None:
        self.position, self._cells = position, cells
        self._plain: dict[str, Any] = cast("dict[str, Any]", cells) if plain_already else {}
        self._known: dict[Hashable, Any] = {}

    @property
    def id(self) -> str:
        """The `example_id`, or the number of the row where there is none.

        >>> Row(3, {"example_id": None}).id
        'row 4'
        """
        value = self._cells.get("example_id")
        return value if isinstance(value, str) and value else f"row {self.number}"

    @property
    def number(self) -> int:
        """Which row of the data it is, as messages count: from 1."""
        return self.position + 1

    def finding(self, reason: str) -> Finding:
        """Return a finding about this row."""
        if isinstance(reason, Reason):
            return Finding(self.position, str(reason), reason.column, reason.span, reason.edges, reason.understood)
        return Finding(self.position, reason)

    def memo(self, make: Callable[..., T], *arguments: Hashable) -> T:
        """Return the cached result of a function of this row; a function that raises is not cached.

        Args:
            make: Takes the row and the arguments.
            arguments: What else it depends on.
        """
        key = (make, *arguments)
        try:
            made: T = self._known[key]
        except KeyError:
            made = self._known[key] = make(self, *arguments)
        return made

    def cell(self, column: str) -> Any:
        """Return a cell as plain Python data; None if it is null."""
        try:
            return self._plain[column]
        except KeyError:
            if column not in self._cells:
                raise MalformedCell(f"there is no '{column}'") from None
            self._plain[column] = value = plain(self._cells[column])
            return value

    def has(self, column: str) -> bool:
        """Return whether the data have a column."""
        return column in self._cells

    def text(self, column: str) -> str:
        """Return a text cell."""
        value = self.cell(column)
        return value if type(value) is str else text_of(value, column)

    def words(self, column: str) -> TokenizedText:
        """Return a text cell cut into words, once for all rules."""
        return self.memo(Row._words, column)

    def _words(self, column: str) -> TokenizedText:
        return TokenizedText(self.text(column))

    def texts(self, column: str) -> list[str]:
        """Return a cell that is a list of texts."""
        return as_texts(self.cell(column), column)

    def records(self, column: str) -> list[Mapping[str, Any]]:
        """Return a cell that is a list of objects."""
        values = as_list(self.cell(column), column)
        for value in values:
            if type(value) is not dict and not isinstance(value, Mapping):
                raise MalformedCell(f"'{column}' holds {_kind(value)}, not an object")
        return values

    def triples(self) -> list[Triple]:
        """Return the proving edges."""
        triples = []
        for value in as_list(self.cell("edges"), "edges"):
            if not isinstance(value, list) or len(value) != 3 or not all(isinstance(end, str) for end in value):
                raise MalformedCell("'edges' holds something that is no [subject, predicate, object]")
            triples.append((value[0], value[1], value[2]))
        return triples

    def asked(self) -> list[tuple[int, TokenizedText]]:
        """Return the messages other than the system's, each with its place in `messages` and cut into words, once for all rules."""
        return self.memo(Row._asked)

    def _asked(self) -> list[tuple[int, TokenizedText]]:
        contents = [(m.get("role"), text_of(m.get("content"), "messages.content")) for m in self.records("messages")]
        return [(i, TokenizedText(content)) for i, (role, content) in enumerate(contents) if role != "system"]

    def assistant_turns(self) -> list[tuple[int, TokenizedText]]:
        """Return the earlier answers among the messages, each with its place and cut into words; none where there are no messages."""
        messages = self._cells.get("messages")
        if messages is None or len(messages) < 2:  # as in nearly every row
            return []
        messages = self.cell("messages")
        if not isinstance(messages, list) or not any(is_assistant(m) for m in messages):
            return []
        return [(i, text) for i, text in self.asked() if is_assistant(messages[i])]

    def prompt(self) -> str:
        """Return the texts of all messages, one a line."""
        return self.memo(Row._prompt)

    def _prompt(self) -> str:
        messages = self.records("messages")
        if not messages:
            raise MalformedCell("'messages' is empty")
        return "\n".join(text_of(m.get("content"), "messages.content") for m in messages)


def is_assistant(message: Any) -> bool:
    """Return whether a message is one of the assistant's."""
    return isinstance(message, Mapping) and message.get("role") in ("assistant", "model", "gpt", "bot")


ATOMS = frozenset((str, bool, int, type(None)))
"""What `plain` leaves as it is."""


def plain(value: Any) -> Any:
    """Convert values of table readers into plain Python: arrays and tuples into lists, NaN and NA into None.

    >>> import numpy
    >>> plain({"drugs": numpy.array(["a", "b"], dtype=object), "dose": float("nan")})
    {'drugs': ['a', 'b'], 'dose': None}
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is list:
        return [v if type(v) in ATOMS else plain(v) for v in value]
    if kind is float:
        return value if value == value else None
    if kind is dict:
        return {k: v if type(v) in ATOMS else plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    # NaN is the only value that differs from itself; pandas' NA and NaT are asked for by name, so that pandas stays unloaded.
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    return value


def text_of(value: Any, name: str) -> str:
    """Return a text, or raise MalformedCell."""
    if not isinstance(value, str):
        raise MalformedCell(f"'{name}' is {_kind(value)}, not text")
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """Return a list, or raise MalformedCell."""
    if not isinstance(value, list):
        raise MalformedCell(f"'{name}' is {_kind(value)}, not a list")
    return value


def as_texts(value: Any, name: str) -> list[str]:
    """Return a list of texts, or raise MalformedCell."""
    values = as_list(value, name)
    for v in values:
        if not isinstance(v, str):
            text_of(v, name)
    return values


def _kind(value: Any) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"
