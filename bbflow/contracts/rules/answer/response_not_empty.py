"""The response says something, and not too much."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph


@row_rule("messages", "response")
def response_not_empty(row: Row, graph: KnowledgeGraph, *, min_words: int = 1, max_words: int = 400) -> Iterator[str]:
    """Prompt and response hold text, and the response is neither too short nor too long.

    Args:
        row: The row.
        graph: The graph.
        min_words: Fewest words.
        max_words: Most words.
    """
    response = row.text("response")
    said = any(map(str.isalnum, response))  # dots and invisible characters say nothing
    if not any(map(str.isalnum, row.prompt())):
        yield "the prompt is empty"
    if said and min_words <= 1 and len(response) < 2 * max_words:
        return  # so few characters hold no more words
    words = len(response.split()) if said else 0
    if words < min_words:
        yield f"the response has {words} words, fewer than {min_words}"
    if words > max_words:
        yield f"the response has {words} words, more than {max_words}"
