"""Examples of a task fill the columns that its rewards and the other rules rely on."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("task")
def fields_of_task(row: Row, graph: KnowledgeGraph, *, fields: dict[str, list[str]]) -> Iterator[str]:
    """Every example of a task fills the columns that the contract names for it.

    So a rule that only applies where a patient or options are given cannot be passed by leaving them out.

    Args:
        row: The row; a task that the contract does not name passes.
        graph: The graph.
        fields: Task to columns that are neither null nor empty.
    """
    for column in fields.get(row.text("task"), ()):
        if row.cell(column) in (None, "", [], {}):
            yield f"'{column}' is empty"
