"""YAML with line numbers: `read_yaml` returns plain data and the line and column of every value.

Only the safe subset is read (no tags that construct objects). Aliases are refused, which rules out alias bombs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bbflow.errors import InputError, Problem

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 100
"""Maximum depth of nesting; libyaml crashes the process at a much larger one."""


@dataclass(frozen=True)
class YamlFile:
    """Parsed contents of a YAML file.

    Attributes:
        path: The file.
        data: Plain Python data.
        lines: Path into the data (keys and indices) to (line, column), both counted from 1.
    """

    path: Path
    data: Any
    lines: dict[tuple[Hashable, ...], tuple[int, int]]

    def where(self, *path: Hashable) -> str:
        """Return `file:line:column` of the deepest known ancestor of a path."""
        while path and path not in self.lines:
            path = path[:-1]
        line, column = self.lines.get(path, (1, 1))
        return f"{self.path}:{line}:{column}"


def read_yaml(path: str | Path) -> YamlFile:
    """Read a YAML file with the location of every value.

    Raises:
        InputError: The file is missing, is not UTF-8, is not YAML, repeats a key, or uses an alias.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(Problem("no such file", str(path))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot be read as UTF-8 text: {error}", str(path))) from None
    lines: dict[tuple[Hashable, ...], tuple[int, int]] = {}
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise InputError(
                    Problem(
                        "the YAML is nested too deeply",
                        f"{path}:{event.start_mark.line + 1}:{event.start_mark.column + 1}",
                        f"at most {_MAX_DEPTH} levels",
                    )
                )
            if isinstance(event, yaml.AliasEvent):
                raise InputError(
                    Problem(
                        "YAML aliases are not allowed here",
                        f"{path}:{event.start_mark.line + 1}:{event.start_mark.column + 1}",
                        "write the value out",
                    )
                )
        loader = _Loader(text)
        root = loader.get_single_node()
        data = None if root is None else _construct(loader, root, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(Problem(f"not valid YAML: {error.problem or error.context}", place)) from None
    except yaml.YAMLError as error:
        raise InputError(Problem(f"not valid YAML: {error}", str(path))) from None
    return YamlFile(path, data, lines)


def _construct(loader: Any, node: Any, at: tuple[Hashable, ...], lines: dict[Any, tuple[int, int]], path: Path) -> Any:
    lines[at] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if not str(node.tag).startswith("tag:yaml.org,2002:") or "python" in node.tag:
        raise InputError(Problem(f"the tag '{node.tag}' is not allowed: this file is data", f"{path}:{lines[at][0]}:{lines[at][1]}"))
    if isinstance(node, yaml.MappingNode):
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in result:
                place = f"{path}:{key_node.start_mark.line + 1}:{key_node.start_mark.column + 1}"
                raise InputError(Problem(f"key '{key}' cannot be used twice or is no plain key", place))
            result[key] = _construct(loader, value_node, (*at, key), lines, path)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, child, (*at, i), lines, path) for i, child in enumerate(node.value)]
    return loader.construct_object(node, deep=True)
