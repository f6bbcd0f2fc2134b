"""Questions along declared metapaths of one to four edges, closed-book; `OpenBook` adds the facts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS, Split, Triple
from bbflow.synthesis.items.distractors import Neighbourhoods
from bbflow.synthesis.items.item import Item, NamedWalk, walk_key
from bbflow.synthesis.items.proof_paths import unique_path
from bbflow.synthesis.metapaths.metapath import SHIPPED, Metapath, load_metapaths, wordings_of
from bbflow.synthesis.sense.walks import WalkSense
from bbflow.synthesis.splits import FRACTIONS, entity_split, split_of
from bbflow.synthesis.tasks.base import Task, WrongSplit

_TRIES = 10
_LOOKED_AT = 12
"""Limits of one attempt: groups, and members of a group."""

_MOST_SETS = 50_000
_MOST_STARTS = 3000
_MOST_PATHS = 1500
"""Limits in large graphs: option sets and proofs in memory, indexed starts of one metapath, and paths from one start; a start with more
paths is left out."""


class MetapathQuestion(Task):
    """Ask for the end of a declared walk, closed-book.

    Draws are stratified: first the number of edges, then the metapath, then the start, each uniformly. Options are at distance one
    or two of each other, or at any distance where no near ones are wrong in every sense. Every option of a set is the right one of some
    question of the same split: the set is drawn first, the right one uniformly from it, then a question to which it is the answer. The
    options alone thus give nothing away.

    Args:
        metapaths: YAML file of metapaths; null: those that ship.
        hops: Numbers of edges of a question.
        num_options: Number of options.
    """

    name: ClassVar[str] = "metapath"
    needs: ClassVar[str] = "a metapath with `num_options` answers near each other, each the only right one of some question of its split"
    capabilities: ClassVar[tuple[str, ...]] = ("domain", "reasoning")
    fields: ClassVar[frozenset[str]] = frozenset({"options", "edges", "entities"})
    open_book: ClassVar[bool] = False

    def __init__(self, metapaths: str | None = None, hops: list[int] | None = None, num_options: int = 4) -> None:
        self.metapaths, self.hops, self.num_options = metapaths, hops or [1, 2, 3, 4], num_options

    def index(self, graph: KnowledgeGraph) -> int:
        """Walk every metapath from every start; return the number of groups of answers."""
        declared = load_metapaths(Path(self.metapaths) if self.metapaths else SHIPPED)
        self.wordings = wordings_of(declared)
        self.sense = WalkSense(graph)
        self.by_name = {metapath.name: metapath for metapath in declared}
        self.connected: dict[tuple[str, str], frozenset[str]] = {}
        self.asking: dict[tuple[str, Split, str], list[str]] = {}
        self.starts: dict[int, list[tuple[Metapath, list[str]]]] = {}
        self.proofs: dict[tuple[str, str, str], tuple[Triple, ...] | None] = {}
        for metapath in declared:
            if len(metapath.steps) not in self.hops:
                continue
            starts = [node.id for node in graph.nodes(metapath.kinds[0]) if next(_ahead(graph, node.id, metapath, 0), None)]
            if len(starts) > _MOST_STARTS:
                starts = random.Random(metapath.name).sample(starts, _MOST_STARTS)  # noqa: S311 (not for secrets)
            kept = [start for start in starts if self._index(graph, metapath, start)]
            if kept:
                self.starts.setdefault(len(metapath.steps), []).append((metapath, kept))
        self._group(graph)
        return sum(len(groups) for names in self.groups.values() for splits in names.values() for groups in splits.values())

    def _group(self, graph: KnowledgeGraph) -> None:
        """List, for each metapath and split, the groups of close answers that yield option sets."""
        self.groups: dict[int, dict[str, dict[Split, list[tuple[str, ...]]]]] = {}
        self.fitting: dict[tuple[str, Split, frozenset[str]], bool] = {}
        near = Neighbourhoods(graph).all
        for metapath in (metapath for found in self.starts.values() for metapath, _ in found):
            for split in SPLITS:
                answers = {end for name, s, end in self.asking if name == metapath.name and s == split}
                groups = dict.fromkeys(tuple(node for node in group if node in answers) for group in near)
                rng = random.Random(f"{metapath.name}/{split}")  # noqa: S311 (not for secrets)
                enough = [group for group in groups if self._is_enough(metapath.name, split, group, rng)]
                every = () if enough or self.open_book else tuple(sorted(answers))
                enough = enough or [group for group in (every,) if self._is_enough(metapath.name, split, group, rng)]
                if enough:
                    self.groups.setdefault(len(metapath.steps), {}).setdefault(metapath.name, {})[split] = enough
        self.lengths = sorted(self.groups)

    def _is_enough(self, name: str, split: Split, group: tuple[str, ...], rng: random.Random) -> bool:
        """Return whether a group yields a set of options, as far as three draws show."""
        return len(group) >= self.num_options and any(self._drawn(name, split, group, rng) for _ in range(3))

    def _index(self, graph: KnowledgeGraph, metapath: Metapath, start: str) -> bool:
        """Record the ends of a start and, for each end with a single path, the start as a question in its split."""
        ends: Counter[str] = Counter()
        last: dict[str, tuple[str, ...]] = {}
        for number, path in enumerate(_paths(graph, metapath, (start,))):
            if number == _MOST_PATHS:
                return False
            ends[path[-1]] += 1
            last[path[-1]] = path
        walk = NamedWalk(start, metapath.steps, metapath.name)
        askable = self.open_book or self.sense.can_start(walk, choice=True)
        for end, count in ends.items() if askable else ():
            if not self.open_book and not self.sense.can_be_right(walk, end, choice=True):
                continue
            split = self._split(metapath, start, last[end]) if count == 1 else None
            if split is not None:
                self.asking.setdefault((metapath.name, split, end), []).append(start)
        if ends:
            beside = (*graph.networkx.successors(start), *graph.networkx.predecessors(start))
            self.connected[metapath.name, start] = frozenset((start, *ends, *beside))
        return bool(ends)

    def _split(self, metapath: Metapath, start: str, path: tuple[str, ...]) -> Split | None:
        """Return the split of a question; None for an open-book question that would show an entity of another split."""
        if not self.open_book:
            return split_of(walk_key(NamedWalk(start, metapath.steps)), self.graph.salt)
        split = entity_split(start, self.graph.salt)
        bound = path if split == "train" else (path[0], path[-1])
        return split if all(entity_split(node, self.graph.salt) == split for node in bound) else None

    def propose(self, rng: random.Random) -> Item | None:
        """Draw a set of options, the right one, and a question that it answers."""
        return self._proposed(*where, rng) if (where := self._where(rng)) else None

    def propose_in(self, rng: random.Random, split: Split) -> list[Item]:
        """Draw the same, but stop before looking for options where the split is another."""
        where = self._where(rng)
        if where is not None and where[1] != split:
            raise WrongSplit
        item = None if where is None else self._proposed(*where, rng)
        return [] if item is None else [item]

    def _where(self, rng: random.Random) -> tuple[Metapath, Split, list[tuple[str, ...]]] | None:
        """Draw a number of edges, a metapath of that length and a split; also return their groups."""
        if not self.lengths:
            return None
        of_length = self.groups[rng.choice(self.lengths)]
        name = rng.choice(list(of_length))
        split = rng.choices(list(of_length[name]), [dict(FRACTIONS)[s] for s in of_length[name]])[0]
        return self.by_name[name], split, of_length[name][split]

    def _proposed(self, metapath: Metapath, split: Split, groups: list[tuple[str, ...]], rng: random.Random) -> Item | None:
        name = metapath.name
        for _ in range(_TRIES):
            options = self._drawn(name, split, rng.choice(groups), rng)
            if options is not None:
                gold = rng.choice(options)
                rng.shuffle(options)
                # One question for each set and answer; otherwise popular answers would be right more often where questions run out.
                own = random.Random(f"{name}/{split}/{gold}/{sorted(options)}")  # noqa: S311 (not for secrets)
                start = own.choice(list(self._questions(name, split, gold, options)))
                return self._item(metapath, start, gold, options, split, rng)
        return None

    def _drawn(self, name: str, split: Split, group: tuple[str, ...], rng: random.Random) -> list[str] | None:
        """Build a set of options from a group, one by one as long as each has a question; None if too few do."""
        options: list[str] = []
        for option in rng.sample(group, min(len(group), _LOOKED_AT)):
            if self._fit(name, split, [*options, option]):
                options.append(option)
                if len(options) == self.num_options:
                    return options
        return None

    def _fit(self, name: str, split: Split, options: list[str]) -> bool:
        """Return whether each option is the only right one of some question."""
        key = (name, split, frozenset(options))
        if key not in self.fitting:
            if len(self.fitting) > _MOST_SETS:
                self.fitting.clear()
            self.fitting[key] = all(next(self._questions(name, split, option, options), None) for option in options)
        return self.fitting[key]

    def _questions(self, name: str, split: Split, gold: str, options: list[str]) -> Iterator[str]:
        """Yield the starts that one option answers and that are not connected to the others in any way."""
        others = [option for option in options if option != gold]
        for start in self.asking[name, split, gold]:
            if self.connected[name, start].isdisjoint(others) and (self.open_book or self._all_wrong(name, start, others)):
                yield start

    def _all_wrong(self, name: str, start: str, others: list[str]) -> bool:
        """Return whether options are wrong in every sense."""
        walk = NamedWalk(start, self.by_name[name].steps, name)
        return self.sense.barred(walk).isdisjoint(others) and all(self.sense.is_judged(walk, option) for option in others)

    def _item(self, metapath: Metapath, start: str, gold: str, options: list[str], split: Split, rng: random.Random) -> Item | None:
        walk = NamedWalk(start, metapath.steps, metapath.name)
        key = (metapath.name, start, gold)
        if key not in self.proofs:
            if len(self.proofs) > _MOST_SETS:
                self.proofs.clear()
            self.proofs[key] = unique_path(self.graph, walk, gold)
        edges = self.proofs[key]
        if edges is None:
            return None
        names = ("domain",) if len(edges) == 1 else ("domain", "reasoning")
        evidence = self._evidence(edges, split, rng) if self.open_book else ()
        return Item(
            self.name, names, walk, gold, edges, start, options=tuple(options), chain=True, level=len(edges), evidence=evidence,
        )  # fmt: skip

    def _evidence(self, edges: tuple[Triple, ...], split: Split, rng: random.Random) -> tuple[Triple, ...]:
        """Return the facts in the prompt: none, closed-book."""
        return ()


def _ahead(graph: KnowledgeGraph, node: str, metapath: Metapath, i: int) -> Iterator[str]:
    """Yield the nodes of the right kind that the i-th edge leads to."""
    predicate, forward = metapath.steps[i]
    for there in graph.objects(node, predicate) if forward else graph.subjects(predicate, node):
        if graph.node(there).kind == metapath.kinds[i + 1]:
            yield there


def _paths(graph: KnowledgeGraph, metapath: Metapath, passed: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a metapath from a start; no path returns to a node."""
    if len(passed) > len(metapath.steps):
        yield passed
        return
    for there in _ahead(graph, passed[-1], metapath, len(passed) - 1):
        if there not in passed:
            yield from _paths(graph, metapath, (*passed, there))
