"""The elements of a knowledge graph: nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bbflow.records import Triple


@dataclass(frozen=True, slots=True)
class Node:
    """A medical concept; `attributes` holds `risk`, `coverage`, `value`, `unit` and further values from the source."""

    id: str
    kind: str
    name: str
    synonyms: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A fact with its source; `verified` means confirmed by a clinician or a data set."""

    subject: str
    predicate: str
    object: str
    source: str
    verified: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def triple(self) -> Triple:
        """Subject, predicate and object."""
        return self.subject, self.predicate, self.object
