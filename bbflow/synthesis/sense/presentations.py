"""Presentations: what findings point to, and which of them are alarms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bbflow.graph.knowledge_graph import KnowledgeGraph


class Presentations:
    """The findings of a graph as signs of its diseases.

    Terms:

    - A finding is *telling* unless the graph marks it `nonspecific`.
    - Findings *single out* a disease if it alone has all the telling ones of them.
    - A finding is an *alarm* if the graph marks it `red_flag`, or if another finding of the case has it as its red flag.

    Args:
        graph: Source of the facts.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.vague = frozenset(node.id for node in graph.nodes("PhenotypicFeature") if node.attributes.get("nonspecific"))
        self.having: dict[str, frozenset[str]] = {}
        self.suspects: dict[str, dict[str, tuple[str, ...]]] = {}
        for edge in graph.edges("has_red_flag"):
            self.suspects.setdefault(edge.subject, {})[edge.object] = tuple(edge.attributes.get("suspects") or ())
        self.emergencies = frozenset(
            node.id for node in graph.nodes("Disease") if node.attributes.get("emergency") or graph.objects(node.id, "needs_urgent_action")
        )
        marked = (node.id for node in graph.nodes("PhenotypicFeature") if node.attributes.get("red_flag"))
        self.marked = frozenset(marked if self.emergencies else ())

    def diseases(self, finding: str) -> frozenset[str]:
        """Return the diseases that present with a finding, also those that a graph leaves out (`also_found_in`)."""
        if finding not in self.having:
            elsewhere = self.graph.node(finding).attributes.get("also_found_in") or ()
            self.having[finding] = frozenset([*self.graph.subjects("has_phenotype", finding), *elsewhere])
        return self.having[finding]

    def telling(self, findings: Iterable[str]) -> list[str]:
        """Return the findings that are not vague."""
        return [finding for finding in findings if finding not in self.vague]

    def single_out(self, disease: str, findings: Iterable[str]) -> bool:
        """Return whether findings single out a disease in the whole graph."""
        telling = self.telling(findings)
        return bool(telling) and frozenset.intersection(*(self.diseases(finding) for finding in telling)) == {disease}

    def alarms(self, findings: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return the alarms among findings, each with the diseases that it calls to mind.

        Those are the ones that its complaint suspects, or, of a finding marked as a red flag, every emergency that has it.
        """
        found = {finding: self.diseases(finding) & self.emergencies for finding in findings if finding in self.marked}
        for complaint in findings:
            for flag, suspects in self.suspects.get(complaint, {}).items():
                if flag in findings:
                    found[flag] = found.get(flag, frozenset()) | frozenset(suspects)
        return found

    def ignores_alarm(self, disease: str, findings: Sequence[str]) -> bool:
        """Return whether some alarm among findings calls to mind emergencies, but not this disease."""
        return any(disease not in suspects for suspects in self.alarms(findings).values())
