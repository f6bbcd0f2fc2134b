"""Nothing looks as if it identified a person."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bbflow.contracts.row import Row, as_text
from bbflow.contracts.rule import row_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph

_MONTH = r"[A-Z][a-z]{2,8}\.?"
_DATES = (
    r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}",
    r"\d{4}-\d{2}-\d{2}",
    rf"\d{{1,2}}\.?\s+{_MONTH},?\s+\d{{4}}",
    rf"{_MONTH}\s+\d{{1,2}},?\s+\d{{4}}",
)
_DATE = f"(?:{'|'.join(_DATES)})"

PATTERNS = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "a social security number": re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
    "a phone number": re.compile(
        r"(?<![\d.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?!\d)|\+\d{1,3}(?:[\s.-]?\d{2,4}){3,4}"
    ),
    "a record number": re.compile(r"\b(?:MRN|medical record (?:number|no))\b\W{0,4}\d[\d-]{3,}", re.IGNORECASE),
    "a name with a title": re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mister|Dr|Doctor|Prof|Professor)\b\.?\s+[A-Z][\w-]+"),
    "a birth date": re.compile(rf"(?i:\b(?:DOB|d\.o\.b\.|date of birth|birth ?date|born)\b)(?:\s+on)?[\s:]*{_DATE}"),
}


@row_rule("messages", "response")
def no_phi(row: Row, graph: KnowledgeGraph) -> Iterator[str]:
    """Neither prompt nor response looks as if it identified a person.

    Looked for: phone and record numbers, e-mail addresses, social security numbers, names with titles, birth dates.
    Placeholders such as `[NAME]` pass. A reason says what and where, and never repeats it.

    Args:
        row: The row.
        graph: The graph.
    """
    texts = {f"messages[{i}]": as_text(m.get("content"), "messages.content") for i, m in enumerate(row.records("messages"))}
    texts["response"] = row.text("response")
    for place, text in texts.items():
        for kind, pattern in PATTERNS.items():
            found = pattern.search(text)
            if found is not None:
                yield f"{place} seems to hold {kind} at characters {found.start()} to {found.end()}"
