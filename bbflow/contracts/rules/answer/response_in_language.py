"""The response is in the language that it should be in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bbflow.contracts.engine.row import Row
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.language import count_non_latin, other_language


@row_rule("response", group="form")
def response_in_language(
    row: Row, graph: KnowledgeGraph, *, language: Literal["en", "de", "fr", "es", "it", "pt", "nl"] = "en", foreign: float = 0.1
) -> Iterator[str]:
    """The response is in the expected language.

    Frequent words of fifteen languages and letters of other alphabets count; a short answer such as a name belongs to any language.

    Args:
        row: The row.
        graph: The graph.
        language: ISO 639-1 code.
        foreign: Largest share of letters that are not Latin; single Greek letters are common in medicine.
    """
    response = row.text("response")
    if not response.isascii():
        other, letters = count_non_latin(response)
        if other > foreign * letters:
            yield f"{other} of {letters} letters of the response are not Latin"
            return
    best = other_language(response, language, row.words("response").words)
    if best is not None:
        yield f"the response reads like '{best}', not '{language}'"
