"""Nothing that is held out is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.row import Finding, MalformedCell, Row
from bbflow.contracts.engine.rule import table_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import SPLITS
from bbflow.text.normalization import duplicate_key


@table_rule("example_id", "messages", "split", group="evaluation")
def no_split_leakage(rows: Sequence[Row], graph: KnowledgeGraph) -> Iterator[Finding]:
    """No `example_id` and no prompt is in two splits; the most held-out split keeps it, the others fail.

    Args:
        rows: All rows, of every split.
        graph: The graph.
    """
    holders: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    for row in rows:
        try:
            split = row.text("split")
            if split not in SPLITS:
                raise MalformedCell(f"'split' is none of {', '.join(SPLITS)}")
            keys = (("example_id", row.text("example_id")), ("prompt", duplicate_key(row.prompt())))
        except MalformedCell as problem:
            yield row.finding(str(problem))
            continue
        for key in keys:
            holders.setdefault(key, []).append((SPLITS.index(split), row))
    for (what, _), found in holders.items():
        last = max(rank for rank, _ in found)
        yield from (row.finding(f"its {what} is in {SPLITS[last]} too") for rank, row in found if rank < last)
