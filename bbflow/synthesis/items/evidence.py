"""Evidence: the facts that prove an answer, among others that resemble them, written into the prompt."""

from __future__ import annotations

import random
from dataclasses import replace

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example, Message, Triple
from bbflow.text.verbalization import verbalize

HEADING = "Go by these facts alone: "


def draw_evidence(graph: KnowledgeGraph, example: Example, size: int, rng: random.Random) -> tuple[Triple, ...]:
    """Draw the proof of an example and distracting facts, in random order.

    Half of the distractors share the predicate of an edge of the proof, the others an entity with it, so that neither a name nor a
    relation identifies the proof by itself.

    Args:
        graph: Source of the facts.
        example: An example with a proof, `edges`.
        size: Number of facts; never fewer than the proof has.
        rng: Source of randomness.
    """
    proof = list(dict.fromkeys(example.edges))
    nodes = dict.fromkeys(node for edge in proof for node in (edge[0], edge[2]))
    predicates = dict.fromkeys(edge[1] for edge in proof)
    touching = [edge.triple for edge in graph.edges() if (edge.subject in nodes) != (edge.object in nodes)]
    alike = [edge.triple for predicate in predicates for edge in graph.edges(predicate)]
    chosen = dict.fromkeys(proof)
    for turn in range(20 * size):
        if len(chosen) >= size:
            break
        pool = (alike, touching)[turn % 2] or alike
        chosen.setdefault(pool[rng.randrange(len(pool))])
    facts = list(chosen)
    rng.shuffle(facts)
    return tuple(facts)


def with_evidence(graph: KnowledgeGraph, example: Example, facts: tuple[Triple, ...]) -> Example:
    """Return the example with the facts before its question, as an open-book example."""
    told = HEADING + " ".join(f"{verbalize(graph, fact)}." for fact in facts)
    messages = [Message(role=m["role"], content=m["content"]) for m in example.messages]
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    messages[last]["content"] = f"{told}\n{messages[last]['content']}"
    return replace(example, messages=messages, open_book=True)
