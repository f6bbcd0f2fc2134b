"""Walks that can be asked: from a start that points somewhere, to options of which all but one are wrong in every sense."""

from __future__ import annotations

from itertools import product

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.synthesis.items.item import Walk
from bbflow.synthesis.sense.loose_truths import LooseTruths
from bbflow.synthesis.sense.presentations import Presentations

_OF_FINDINGS = ("has_phenotype", "has_side_effect")


class WalkSense:
    """Judge walks and their options.

    Args:
        graph: Source of the facts.

    Attributes:
        signs: What findings point to.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.signs, self._loose = Presentations(graph), LooseTruths(graph)
        self._judges = any("coverage" in node.attributes for node in graph.nodes("Drug"))
        self._judged: dict[tuple[str, tuple[tuple[str, bool], ...], str], bool] = {}
        self._barred: dict[tuple[str, tuple[tuple[str, bool], ...]], frozenset[str]] = {}

    def can_start(self, walk: Walk, choice: bool) -> bool:
        """Return whether a question can start where a walk does.

        A syndrome has no findings of its own. A disease is asked for by a telling finding only, a drug chosen by a telling side effect;
        and where more than one step follows, by a finding that one disease alone presents with.
        """
        if not walk.steps:
            return True
        (predicate, forward), vague = walk.steps[0], walk.start in self.signs.vague
        if predicate == "has_phenotype" and self.graph.node(walk.start).attributes.get("syndrome"):
            return False
        if forward or predicate not in _OF_FINDINGS:
            return True
        if predicate == "has_side_effect":
            return not vague or not choice
        return not vague and (len(walk.steps) == 1 or len(self.signs.diseases(walk.start)) == 1)

    def honours_alarm(self, walk: Walk, gold: str) -> bool:
        """Return whether a finding marked as a red flag is answered by an emergency."""
        asked = walk.start in self.signs.marked and walk.steps[:1] == (("has_phenotype", False),) and len(walk.steps) == 1
        return not asked or gold in self.signs.emergencies

    def kin(self, node: str) -> frozenset[str]:
        """Return a node with its broader and narrower terms."""
        return self._loose.kin(node)

    def barred(self, walk: Walk) -> frozenset[str]:
        """Return what is no wrong option of a walk: its start, what it leads to in the broadest sense, and vague findings."""
        key = (walk.start, walk.steps)
        if key not in self._barred:
            vague = self.signs.vague if walk.steps and walk.steps[-1] in ((p, True) for p in _OF_FINDINGS) else frozenset()
            self._barred[key] = self._loose.ends(walk) | vague | {walk.start}
        return self._barred[key]

    def is_judged(self, walk: Walk, option: str) -> bool:
        """Return whether the graph excludes that a walk ends in an option: silence about an interaction or a prohibition is not enough.

        Always True without such a step, and in a graph whose drugs declare no coverage.
        """
        key = (walk.start, walk.steps, option)
        if key not in self._judged:
            at = [i for i, (predicate, _) in enumerate(walk.steps) if predicate in ("interacts_with", "contraindicated_in")]
            self._judged[key] = not self._judges or all(self._excludes(walk, option, i) for i in at)
        return self._judged[key]

    def _excludes(self, walk: Walk, option: str, i: int) -> bool:
        """Return whether every pair that the i-th step of a walk would have to join, to end in an option, is an edge or was judged."""
        predicate, forward = walk.steps[i]
        back = tuple((p, not ahead) for p, ahead in reversed(walk.steps[i + 1 :]))
        before, after = self._reached(walk.start, walk.steps[:i]), self._reached(option, back)
        for here, there in product(before, after):
            drug, node = (here, there) if forward else (there, here)
            kinds = self.graph.node(drug).kind, self.graph.node(node).kind
            known = predicate != "interacts_with" or kinds[1] == "Drug"
            if kinds[0] == "Drug" and known and not self._knows(drug, predicate, node):
                return False
        return True

    def _reached(self, start: str, steps: tuple[tuple[str, bool], ...]) -> frozenset[str]:
        return self._loose.ends(Walk(start, steps)) if steps else frozenset([start])

    def _knows(self, drug: str, predicate: str, node: str) -> bool:
        """Return whether the graph has an edge for a pair or has judged it."""
        covers = self.graph.covers
        if self.graph.has(drug, predicate, node) or covers(drug, node):
            return True
        return predicate == "interacts_with" and covers(node, drug)

    def can_be_right(self, walk: Walk, gold: str, choice: bool) -> bool:
        """Return whether a node can be the answer: no vague finding where options or another finding of the disease tell more."""
        last = walk.steps[-1] if walk.steps else ("", False)
        if gold in self.signs.vague and (last in ((p, True) for p in _OF_FINDINGS) if choice else walk.steps == (("has_phenotype", True),)):
            others = () if choice else self.signs.telling(self.graph.objects(walk.start, "has_phenotype"))
            return not choice and not others
        return self.honours_alarm(walk, gold)
