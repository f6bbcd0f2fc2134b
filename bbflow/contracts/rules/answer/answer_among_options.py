"""A multiple-choice row has one right option."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import entity_linker
from bbflow.text.normalization import name_key


@row_rule("answer", "options", when=lambda row: row.cell("options") is not None, group="truth")
def answer_among_options(row: Row, graph: KnowledgeGraph, *, at_least: int = 2) -> Iterator[str]:
    """The answer is exactly one of the options, and no two options name the same thing.

    Two names of one node, such as a drug and its brand, count as the same.

    Args:
        row: The row; one without options is no multiple choice, and passes.
        graph: The graph.
        at_least: How many options there are at least.
    """
    options = row.texts("options")
    if len(options) < at_least:
        yield f"offers {len(options)} options, fewer than {at_least}"
    names = entity_linker(graph)
    meanings = [names.resolve(option) or name_key(option) for option in options]
    for i, option in enumerate(options):
        if not meanings[i]:
            yield f"option {i + 1} is empty"
        elif meanings[i] in meanings[:i]:
            yield f"option '{option}' means the same as '{options[meanings.index(meanings[i])]}'"
    if row.text("answer") not in options:
        yield f"the answer '{row.text('answer')}' is none of the options"
