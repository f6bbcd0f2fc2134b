"""A recipe as a tree of values with their places, so that a message can name file, line and column.

The tree serves diagnosis and former names; the values of a run come from the parser wherever it accepts the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbflow.cli.recipes import renamed
from bbflow.cli.recipes.relative_paths import anchored
from bbflow.errors import Problem
from bbflow.io.yaml import read_yaml


@dataclass
class SourceNode:
    """A value and where it was written.

    Attributes:
        value: A scalar, a dict of text to `SourceNode`, or a list of `SourceNode`.
        place: `file:line:column`, or the option of the command line.
        folder: What relative paths in it are relative to.
        renamed: The old names that were written for it, of its class or its key.
    """

    value: Any
    place: str
    folder: Path
    renamed: tuple[renamed.Renaming, ...] = ()

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def from_file(path: Path, below: Any = None) -> SourceNode:
    """Read a YAML file, old names replaced by the present ones.

    Args:
        path: The file.
        below: Plain settings that it goes over; they name the class of arguments that come without one.

    Raises:
        InputError: It is missing or not valid YAML.
    """
    file = read_yaml(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    data, renamings = renamed.with_present_names(file.data, below)

    def place(at: renamed.KeyPath) -> str:
        return file.where(*renamed.written_path(at, renamings))

    return _grow(anchored(data, file.path.parent), (), renamings, place, file.path.parent.absolute())


def _grow(
    data: Any, at: renamed.KeyPath, renamings: Sequence[renamed.Renaming], place: Callable[[renamed.KeyPath], str], folder: Path
) -> SourceNode:
    value = data
    if isinstance(data, dict):
        value = {str(key): _grow(child, (*at, key), renamings, place, folder) for key, child in data.items()}
    elif isinstance(data, list):
        value = [_grow(child, (*at, i), renamings, place, folder) for i, child in enumerate(data)]
    return SourceNode(value, place(at), folder, tuple(renaming for renaming in renamings if renaming.path == at))


def from_arguments(argv: Sequence[str]) -> SourceNode:
    """Read a trainer command's arguments as one tree, `--config` files included, later ones over earlier ones.

    Raises:
        InputError: A recipe is missing or not valid YAML.
    """
    tree = SourceNode({}, "command line", Path.cwd())
    for name, text, _ in _options(argv):
        tree = _laid_over(tree, name, text)
    return tree


def present_arguments(argv: Sequence[str]) -> list[str]:
    """Return a trainer command's arguments with the present names in place of old ones; files are named as they were."""
    found: list[str] = []
    tree = SourceNode({}, "command line", Path.cwd())
    for name, text, words in _options(argv):
        if name.startswith("--") and name != "--config":
            keys, shown = renamed.option_with_present_names(_keys(name), text, tree.plain())
            if (keys, shown) != (_keys(name), text):
                words = [f"--{'.'.join(keys)}{'+' * name.endswith('+')}={shown}"]
        tree = _laid_over(tree, name, text)
        found += words
    return found


def renaming_notes(node: SourceNode) -> list[str]:
    """List the old names in a tree, one sentence for each place."""
    found = [f"{node.place}: `{r.old}` is called `{r.new}` now; the old name works in this release" for r in node.renamed]
    children = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    return [*found, *(sentence for child in children for sentence in renaming_notes(child))]


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, value and words of each option; a word that belongs to none has an empty name."""
    words = list(argv)
    while words:
        taken = [words.pop(0)]
        name, equals, text = taken[0].partition("=")
        if not name.startswith("-"):
            yield "", "", taken
            continue
        if not equals and words and not words[0].startswith("--"):
            taken.append(text := words.pop(0))
        yield name, text, taken


def _laid_over(tree: SourceNode, name: str, text: str) -> SourceNode:
    if name in ("-c", "--config"):
        return merged(tree, from_file(Path(text), tree.plain()))
    return merged(tree, _option(name, text, tree.plain())) if name.startswith("--") else tree


def _keys(name: str) -> list[str]:
    return name.strip("-+").split(".")


def stray_words(argv: Sequence[str]) -> list[Problem]:
    """List the words of a trainer command, after its name, that belong to no option.

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


def _option(name: str, text: str, below: Any) -> SourceNode:
    value, keys = renamed.option_value(text), _keys(name)
    if name.endswith("+") and not isinstance(value, list):
        value = [value]
    data, renamings = renamed.with_present_names(renamed.nested(keys, value), below)
    tree = _grow(data, (), renamings, lambda _: name, Path.cwd())
    if len(keys) == 1:  # `--trainer part.yaml` goes over the recipe key by key
        tree.value = {key: opened(child, below.get(key)) for key, child in tree.value.items()}
    return tree


def merged(below: SourceNode, above: SourceNode) -> SourceNode:
    """Merge one tree over another as the parser does: mappings key by key, everything else replaced."""
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
    """Return whether a mapping names a class."""
    return isinstance(node.value, dict) and "class_path" in node.value


def opened(node: SourceNode, below: Any = None) -> SourceNode:
    """Return the contents of the YAML file that a value names, which goes over the settings `below`, or the value itself."""
    if isinstance(node.value, str) and node.value.endswith((".yaml", ".yml")) and (node.folder / node.value).is_file():
        return from_file(node.folder / node.value, below)
    return node
