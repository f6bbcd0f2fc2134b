"""Nothing looks as if it identified a person."""

from __future__ import annotations

from collections.abc import Iterator

from bbflow.contracts.engine.row import Reason, Row, text_of
from bbflow.contracts.engine.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.entity_linking import entity_linker
from bbflow.text.normalization import name_key
from bbflow.text.phi import NAME, identifying


@row_rule("messages", "response", group="privacy")
def no_phi(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """Neither prompt nor response looks as if it identified a person.

    Looked for: phone and record numbers, e-mail addresses, social security numbers, names with titles, birth dates.
    Placeholders such as `[NAME]` pass, and so does a title that a name of the graph ends in ("brain lactate by MRS. What ..."). A reason
    says what and where, and never repeats it.

    Args:
        row: The row.
        graph: The graph.
    """
    texts = {f"messages[{i}]": text_of(m.get("content"), "messages.content") for i, m in enumerate(row.records("messages"))}
    texts["response"] = row.text("response")
    for place, text in texts.items():
        seen = set()
        for kind, span in identifying(text):
            if kind not in seen and not (kind == NAME and _ends_a_name(text, span[0], graph)):
                seen.add(kind)
                yield Reason(f"{place} seems to hold {kind} at characters {span[0]} to {span[1]}", place, span)


_LONGEST = 12
"""Words of a name of the graph that are looked at."""


def _ends_a_name(text: str, start: int, graph: KnowledgeGraph) -> bool:
    """Return whether the title at a place is the last word of a longer name of the graph."""
    words = [*text[:start].split(), text[start:].split(maxsplit=1)[0]][-_LONGEST:]
    return any(name_key(" ".join(words[i:])) in entity_linker(graph).nodes for i in range(len(words) - 1))
