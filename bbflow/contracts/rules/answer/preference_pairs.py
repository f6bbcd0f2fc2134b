"""Preference pairs teach what they mean to: the two differ, and not in length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.row import Finding, MalformedCell, Row
from bbflow.contracts.engine.rule import row_rule, table_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.normalization import name_key, unspaced_key


@row_rule("response", "rejected", group="preference pairs")
def pair_differs(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """The rejected response says something, and something else than the chosen one.

    Args:
        row: The row; `response` is the chosen one.
        graph: The graph.
    """
    chosen, rejected = name_key(row.text("response")), name_key(row.text("rejected"))
    if not rejected:
        yield "the rejected response is empty"
    elif chosen == rejected and unspaced_key(row.text("response")) == unspaced_key(row.text("rejected")):
        yield "chosen and rejected response are the same"


@row_rule("response", "rejected", group="preference pairs")
def pair_lengths_alike(row: Row, graph: KnowledgeGraph, *, ratio: float = 2.0, slack: int = 5) -> Iterator[str]:
    """Neither response of a pair is much longer than the other.

    Args:
        row: The row.
        graph: The graph.
        ratio: The longer one has at most so many times the words of the shorter one,
        slack: plus so many words.
    """
    counts = sorted((len(row.text("response").split()), len(row.text("rejected").split())))
    if counts[1] > ratio * counts[0] + slack:
        yield f"one response has {counts[1]} words and the other {counts[0]}"


@table_rule("response", "rejected", group="preference pairs")
def pair_lengths_balanced(rows: Sequence[Row], graph: KnowledgeGraph, *, tolerance: float = 0.1, min_rows: int = 50) -> Iterator[Finding]:
    """The chosen response is about as often the longer one as the shorter one.

    Args:
        rows: All rows.
        graph: The graph.
        tolerance: How far the share may be from one half; twice the standard error comes on top.
        min_rows: With fewer pairs of different lengths nothing is said.
    """
    longer = shorter = 0
    for row in rows:
        try:
            difference = len(row.text("response").split()) - len(row.text("rejected").split())
        except MalformedCell as problem:
            yield row.finding(str(problem))
            continue
        longer, shorter = longer + (difference > 0), shorter + (difference < 0)
    total = longer + shorter
    if total >= min_rows and abs(longer / total - 0.5) > tolerance + 1 / math.sqrt(total):
        yield Finding(None, f"the chosen response is the longer one in {longer / total:.1%} of {total} pairs of different lengths")
