"""Locations of nodes and edges in their files, for messages; eight bytes each, since graphs can have millions of edges."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import overload

_LINE, _COLUMN = 1 << 48, 1 << 12


class SourceLocations(Sequence[str]):
    """A list of `file:line` or `file:line:column`.

    >>> places = SourceLocations()
    >>> places.add(Path("a.tsv"), 7)
    >>> places.add(Path("b.yaml"), 9, 5)
    >>> list(places)
    ['a.tsv:7', 'b.yaml:9:5']
    """

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        self._codes = array("Q")

    def add(self, file: Path, line: int, column: int = 0) -> None:
        """Append a location; a column of 0 is not shown."""
        number = self._files.setdefault(file, len(self._files))
        self._codes.append(number * _LINE + line * _COLUMN + min(column, _COLUMN - 1))

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, rest = divmod(self._codes[index], _LINE)
        line, column = divmod(rest, _COLUMN)
        return f"{list(self._files)[number]}:{line}" + (f":{column}" if column else "")

    def keep(self, indices: Sequence[int]) -> None:
        """Drop all other locations."""
        self._codes = array("Q", (self._codes[i] for i in indices))
