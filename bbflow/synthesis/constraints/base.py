"""Constraints on the form of an answer: how one is drawn, and how a reference answer is written to satisfy it.

Types are named as in IFEval (arXiv 2311.07911) where IFEval has them. The verifiers that judge completions live in
`bbflow/rewards/ifeval_verifiers.py` and on purpose share nothing with this package but the names: a mistake in one would
otherwise hide in the other.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bbflow.records import Constraint


class ConstraintWriter(ABC):
    """Draw one type of constraint and write answers that satisfy it.

    Attributes:
        type: Its name in records.
        slot: The part of the answer that it shapes; two constraints on one slot exclude each other.
    """

    type: ClassVar[str]
    slot: ClassVar[str]

    def kwargs(self, count: int, rng: random.Random) -> dict[str, Any] | None:
        """Draw arguments; None if the constraint makes no sense for `count` names."""
        return {}

    @abstractmethod
    def write(self, text: str, names: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Rewrite an answer so that it satisfies the constraint."""


_CONFLICTS = {
    *(frozenset(pair) for pair in (("end", "wrap"), ("end", "tail"), ("body", "wrap"), ("sections", "body"), ("sections", "wrap"))),
    *(frozenset(("whole", slot)) for slot in ("body", "sections", "head", "tail", "end", "wrap", "filler", "case")),
    *(frozenset(("filler", slot)) for slot in ("tail", "end", "wrap", "limit")),
    *(frozenset(("case", slot)) for slot in ("sections", "wrap")),
}
"""Slots that exclude each other, such as text outside the quotation marks that wrap the whole answer."""


def draw_constraints(writers: Sequence[ConstraintWriter], number: int, count: int, rng: random.Random) -> tuple[Constraint, ...]:
    """Draw up to `number` constraints that are compatible, for an answer of `count` names, in the order of writing."""
    chosen: list[tuple[int, Constraint]] = []
    slots: set[str] = set()
    for i in rng.sample(range(len(writers)), len(writers)):
        if len(chosen) == number:
            break
        writer = writers[i]
        clash = writer.slot in slots or any(frozenset({writer.slot, slot}) in _CONFLICTS for slot in slots)
        kwargs = None if clash else writer.kwargs(count, rng)
        if kwargs is not None:
            chosen.append((i, Constraint(type=writer.type, kwargs=kwargs)))
            slots.add(writer.slot)
    return tuple(constraint for _, constraint in sorted(chosen, key=lambda pair: pair[0]))
