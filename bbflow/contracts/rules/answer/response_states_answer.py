"""The reference response gives the answer that the row records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from bbflow.contracts.engine.row import Row, as_texts
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold

_FINAL = re.compile(r"\banswer:\s*([^\n]+?)\s*\.?\s*(?:\n.*)?$", re.IGNORECASE | re.DOTALL)

_fold = lru_cache(maxsize=10_000)(fold)  # options are few, and are in many rows


@row_rule("response", "answer", "options", group="truth")
def response_states_answer(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """The response gives the recorded answer: after `Answer:`, as the letter of an option, or by name.

    Args:
        row: The row.
        graph: The graph.
    """
    response, answer = row.text("response"), _fold(row.text("answer"))
    options = row.cell("options")
    letters = {} if options is None else {chr(ord("a") + i): _fold(text) for i, text in enumerate(as_texts(options, "options"))}
    lower = response.lower()
    at = lower.find("answer:")
    # Lower case may be longer, but not in ASCII: there the search may begin where it can find something.
    final = _FINAL.search(response, at if lower.isascii() else 0) if at >= 0 else None
    said = _fold(final[1]) if final else fold(response)
    said = letters.get(said, said)
    if final or said in letters.values():
        if said != answer:
            yield "the response ends in another answer than the recorded one"
    elif f" {answer} " not in f" {said} ":
        yield "the response does not name the recorded answer"
