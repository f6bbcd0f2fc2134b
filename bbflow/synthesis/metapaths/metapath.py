"""Metapaths declared in YAML: typed walks over one to four edges, and the grammar of their questions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.ontology import KINDS, PREDICATES
from bbflow.io.yaml import YamlFile, read_yaml

SHIPPED = Path(__file__).with_name("metapaths.yaml")
PHRASES = Path(__file__).with_name("phrases.yaml")
MOST_HOPS = 4
_EDGE = re.compile(r"\s*(?:-(\w+)->|<-(\w+)-)\s*")

Steps = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Metapath:
    """A typed walk.

    Attributes:
        name: Part of the template's name.
        kinds: Kinds of the nodes, from the start to the answer.
        steps: (predicate, forward) for each edge between them.
        say: Noun phrases for the answer, `{x}` being the start; empty: built from the grammar.
    """

    name: str
    kinds: tuple[str, ...]
    steps: Steps
    say: tuple[str, ...] = field(default=())

    def reversed(self) -> tuple[tuple[str, ...], Steps]:
        """Return the same walk from its other end; a symmetric edge is the same in both directions."""
        steps = tuple((p, forward if PREDICATES[p].symmetric else not forward) for p, forward in reversed(self.steps))
        return self.kinds[::-1], steps


def parse_path(text: str, where: str = "") -> tuple[tuple[str, ...], Steps]:
    """Parse `Drug -treats-> Disease <-has_phenotype- ...`.

    Raises:
        InputError: It cannot be read, names unknown kinds or predicates, has too many edges, or joins kinds that do not go together.

    >>> parse_path("Disease <-treats- Drug -subclass_of-> DrugClass")
    (('Disease', 'Drug', 'DrugClass'), (('treats', False), ('subclass_of', True)))
    """
    parts = _EDGE.split(text.strip())
    kinds, edges = parts[::3], list(zip(parts[1::3], parts[2::3], strict=True))
    steps = tuple((forward or backward, bool(forward)) for forward, backward in edges)
    problems = [Problem(f"'{kind}' is no kind of node", where, did_you_mean(kind, KINDS)) for kind in kinds if kind not in KINDS]
    problems += [Problem(f"'{p}' is no predicate", where, did_you_mean(p, PREDICATES)) for p, _ in steps if p not in PREDICATES]
    if not 1 <= len(steps) <= MOST_HOPS:
        problems.append(Problem(f"a metapath has 1 to {MOST_HOPS} edges, not {len(steps)}", where, "Drug -treats-> Disease"))
    for i, (predicate, forward) in enumerate(steps if not problems else ()):
        subject, obj = (kinds[i], kinds[i + 1]) if forward else (kinds[i + 1], kinds[i])
        for kind, allowed, role in ((subject, PREDICATES[predicate].domain, "start"), (obj, PREDICATES[predicate].range, "end")):
            if kind not in allowed:
                problems.append(Problem(f"{predicate} does not {role} at a {kind}", where, did_you_mean(kind, allowed)))
    if problems:
        raise InputError(*problems)
    return tuple(kinds), steps


@cache
def load_metapaths(path: Path = SHIPPED) -> tuple[Metapath, ...]:
    """Read metapaths.

    Raises:
        InputError: An entry is wrong, two have one name, or one is another walked backwards; all are listed with their lines.
    """
    file = read_yaml(path)
    entries = file.data.get("metapaths") if isinstance(file.data, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(Problem("the file lists no 'metapaths'", file.where()))
    problems: list[Problem] = []
    found: list[Metapath] = []
    for i, entry in enumerate(entries):
        try:
            one = _entry(file, i, entry)
        except InputError as error:
            problems += error.problems
            continue
        where = file.where("metapaths", i)
        for other in found:
            if one.name == other.name:
                problems.append(Problem(f"two metapaths are called '{one.name}'", where))
            if (one.kinds, one.steps) in ((other.kinds, other.steps), other.reversed()):
                problems.append(Problem(f"metapath '{one.name}' is '{other.name}', or that walked backwards", where))
        found.append(one)
    if problems:
        raise InputError(*problems)
    return tuple(found)


def _entry(file: YamlFile, i: int, entry: Any) -> Metapath:
    where = file.where("metapaths", i)
    entry = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict):
        raise InputError(Problem("a metapath needs a 'path'", where, "Drug -treats-> Disease"))
    known = ("name", "path", "say")
    problems = [Problem(f"unknown key '{k}'", file.where("metapaths", i, k), did_you_mean(str(k), known)) for k in entry if k not in known]
    if not isinstance(entry.get("path"), str):
        problems.append(Problem("a metapath needs a 'path'", where, "Drug -treats-> Disease"))
    if problems:
        raise InputError(*problems)
    kinds, steps = parse_path(entry["path"], where)
    say = entry.get("say") or []
    say = [say] if isinstance(say, str) else say
    if not isinstance(say, list) or not all(isinstance(phrase, str) and "{x}" in phrase for phrase in say):
        raise InputError(Problem("'say' is a phrase, or a list of them, each of which names the start, {x}", where))
    name = entry.get("name") or "_".join(f"{p}{'' if forward else '_back'}" for p, forward in steps)
    return Metapath(str(name), kinds, steps, tuple(say))


@cache
def _grammar() -> dict[str, Any]:
    return yaml.safe_load(PHRASES.read_text(encoding="utf-8"))


def wordings_of(metapaths: Iterable[Metapath]) -> dict[str, dict[str, list[str]]]:
    """Return the template families of metapaths: every frame of a split around the phrases of the path, as alternatives.

    >>> wordings_of([Metapath("m", ("Drug", "Disease"), (("treats", True),))])["metapath/m"]["validation"]
    ['Which of these is a disease [that {x} treats|treated with {x}|for which {x} is given]?']
    """
    frames = _grammar()["ask"]
    found: dict[str, dict[str, list[str]]] = {}
    for metapath in metapaths:
        bare = f"[{'|'.join(metapath.say)}]" if len(metapath.say) > 1 else "".join(metapath.say) or _phrase(metapath)
        phrase = bare if metapath.say else f"{_article(bare)} {bare}"
        found[f"metapath/{metapath.name}"] = {
            split: [frame.replace("{np}", phrase).replace("{np_bare}", bare) for frame in texts] for split, texts in frames.items()
        }
    return found


def _phrase(metapath: Metapath) -> str:
    """Nest the phrases of the edges around {x}, alternatives in brackets."""
    grammar = _grammar()
    text = "{x}"
    for (predicate, forward), kind in zip(metapath.steps, metapath.kinds[1:], strict=True):
        word = grammar["kinds"].get(kind, kind.lower())
        direction = "forward" if forward else "backward"
        forms = grammar["phrases"].get(f"{predicate}.{direction}") or [
            form.replace("{phrase}", PREDICATES[predicate].phrase if direction == "backward" else "leads to")
            for form in grammar["default"][direction]
        ]
        tails = [form.replace("{kind} ", "", 1).replace("{x}", text) for form in forms]
        text = f"{word} [{'|'.join(tails)}]" if len(tails) > 1 else f"{word} {tails[0]}"
        text = f"{_article(word)} {text}"
    return text.split(" ", 1)[1]


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"
