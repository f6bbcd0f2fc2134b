"""No row stands twice."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from bbflow.contracts.engine.row import Finding, MalformedCell, Row, as_texts
from bbflow.contracts.engine.rule import table_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.normalization import duplicate_key


@table_rule("example_id", "messages", "options")
def no_duplicates(rows: Sequence[Row], graph: KnowledgeGraph, *, many_responses: Sequence[str] = ()) -> Iterator[Finding]:
    """No two rows share an `example_id`, or a prompt with the same set of options; the first one stays.

    Args:
        rows: All rows.
        graph: The graph.
        many_responses: Tasks whose prompts have many good responses; there only the same prompt with the same response counts.
    """
    seen: dict[Hashable, Row] = {}
    for row in rows:
        try:
            options = row.cell("options")
            texts = () if options is None else tuple(sorted(duplicate_key(t) for t in as_texts(options, "options")))
            response = duplicate_key(row.text("response")) if many_responses and row.text("task") in many_responses else ""
            keys = {"example_id": row.text("example_id"), "prompt": (duplicate_key(row.prompt()), texts, response)}
        except MalformedCell as problem:
            yield row.finding(str(problem))
            continue
        for what, key in keys.items():
            first = seen.setdefault((what, key), row)
            if first is not row:
                yield row.finding(f"has the same {what} as row {first.number} ({first.id})")
