"""A recipe as a tree in which every value knows its place, so that a message can name file, line and column.

Used to explain what is wrong, and to find what the parser lets pass; the values of a run come from the parser alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bbflow.cli.recipes.relative_paths import anchored
from bbflow.errors import Problem
from bbflow.io.yaml import YamlFile, read_yaml


@dataclass
class SourceNode:
    """A value and where it was written.

    Attributes:
        value: A scalar, a dict of text to `SourceNode`, or a list of `SourceNode`.
        place: `file:line:column`, or the option of the command line.
        folder: What relative paths in it are relative to.
    """

    value: Any
    place: str
    folder: Path

    def plain(self) -> Any:
        """Returns the value without places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def from_file(path: Path) -> SourceNode:
    """Reads a YAML file.

    Raises:
        InputError: It is missing or not valid YAML.
    """
    file = read_yaml(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return _locate(file, file.data, ())


def _locate(file: YamlFile, data: Any, at: tuple[Hashable, ...]) -> SourceNode:
    value = anchored(data, file.path.parent)
    if isinstance(data, dict):
        value = {str(key): _locate(file, child, (*at, key)) for key, child in data.items()}
    elif isinstance(data, list):
        value = [_locate(file, child, (*at, i)) for i, child in enumerate(data)]
    return SourceNode(value, file.where(*at), file.path.parent.absolute())


def from_arguments(argv: Sequence[str]) -> SourceNode:
    """Reads a trainer command's arguments as one tree, `--config` files included, later ones over earlier ones.

    Raises:
        InputError: A recipe is missing or not valid YAML.
    """
    tree = SourceNode({}, "command line", Path.cwd())
    words = list(argv)
    while words:
        name, equals, text = words.pop(0).partition("=")
        if not name.startswith("-"):
            continue
        if not equals and words and not words[0].startswith("--"):
            text = words.pop(0)
        if name in ("-c", "--config"):
            tree = merged(tree, from_file(Path(text)))
        elif name.startswith("--"):
            tree = merged(tree, _option(name, text))
    return tree


def stray_words(argv: Sequence[str]) -> list[Problem]:
    """Lists the words of a trainer command, after its name, that belong to no option.

    >>> [str(problem) for problem in stray_words(["fit", "recipes/grpo.yaml"])]
    ["command line: 'recipes/grpo.yaml' belongs to no option (did you mean '--config recipes/grpo.yaml'?)"]
    """
    words, found = list(argv[0 if argv and argv[0].startswith("-") else 1 :]), []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            hint = f"did you mean '--config {word}'?" if word.endswith((".yaml", ".yml")) else "options begin with --"
            found.append(Problem(f"'{word}' belongs to no option", "command line", hint))
        elif "=" not in word and words and not words[0].startswith("--"):
            words.pop(0)
    return found


def _option(name: str, text: str) -> SourceNode:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    node = _plant(value, name)
    if name.endswith("+") and not isinstance(value, list):
        node = SourceNode([node], name, Path.cwd())
    if "." not in name:  # `--trainer part.yaml` goes over the recipe key by key
        node = opened(node)
    for key in reversed(name.strip("-+").split(".")):
        node = SourceNode({key: node}, name, Path.cwd())
    return node


def _plant(value: Any, place: str) -> SourceNode:
    if isinstance(value, dict):
        value = {str(key): _plant(child, place) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_plant(child, place) for child in value]
    return SourceNode(value, place, Path.cwd())


def merged(below: SourceNode, above: SourceNode) -> SourceNode:
    """Lays one tree over another as the parser does: mappings key by key, everything else replaced."""
    if isinstance(above.value, str) and is_class_spec(below):
        above = SourceNode({"class_path": above}, above.place, above.folder)  # `--model SFT` changes the class only
    if not isinstance(above.value, dict):
        return above
    below = opened(below)
    if isinstance(below.value, str):  # `logger: CSVLogger`, then an argument of it
        below = SourceNode({"class_path": below}, below.place, below.folder)
    if not isinstance(below.value, dict):
        return above
    value = dict(below.value)
    if is_class_spec(below) and not is_class_spec(above) and not above.value.keys() & {"init_args", "dict_kwargs"}:
        above = SourceNode({"init_args": above}, above.place, above.folder)  # `--model.lr` is short for `--model.init_args.lr`
    for key, child in above.value.items():
        value[key] = merged(value[key], child) if key in value else child
    written = below if below.value else above
    return SourceNode(value, written.place, below.folder)


def is_class_spec(node: SourceNode) -> bool:
    """Tells whether a mapping names a class."""
    return isinstance(node.value, dict) and "class_path" in node.value


def opened(node: SourceNode) -> SourceNode:
    """Returns the contents of the YAML file that a value names, or the value itself."""
    if isinstance(node.value, str) and node.value.endswith((".yaml", ".yml")) and (node.folder / node.value).is_file():
        return from_file(node.folder / node.value)
    return node
