"""The data set as a whole gives nothing away and leaves nothing out: capabilities, letters and lengths are in balance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from bbflow.contracts.engine.row import Finding, MalformedCell, Row, as_texts
from bbflow.contracts.engine.rule import table_rule
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.normalization import name_key


@table_rule("capabilities", group="balance")
def balanced_capabilities(rows: Sequence[Row], graph: KnowledgeGraph, *, at_least: dict[str, float]) -> Iterator[Finding]:
    """Every capability has its share of the rows.

    Args:
        rows: All rows.
        graph: The graph.
        at_least: Capability to the smallest share of rows that must exercise it, from 0 to 1.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        try:
            counts.update(set(row.texts("capabilities")))
        except MalformedCell as problem:
            yield row.finding(str(problem))
    for name, share in at_least.items():
        if counts[name] < share * len(rows) - 1e-9:
            yield Finding(None, f"{counts[name]} of {len(rows)} rows exercise '{name}', fewer than {share:.1%}")


def _choices(rows: Sequence[Row], fixed: int = 2) -> Iterator[tuple[Row, list[str], int] | Finding]:
    """Yield each multiple choice with its options and the place of the right one; yes and no are no letters."""
    for row in rows:
        try:
            cell = row.cell("options")
            if cell is None:
                continue
            options = as_texts(cell, "options")
            answer = row.text("answer")
        except MalformedCell as problem:
            yield row.finding(str(problem))
            continue
        if len(options) > fixed and answer in options:
            yield row, options, options.index(answer)


@table_rule("answer", "options", group="balance")
def balanced_letters(rows: Sequence[Row], graph: KnowledgeGraph, *, tolerance: float = 0.1, min_rows: int = 50) -> Iterator[Finding]:
    """The right option is at every letter about equally often.

    Looks at questions with more than two options, apart for each number of options; a share may also differ by twice the standard error
    that chance explains.

    Args:
        rows: All rows.
        graph: The graph.
        tolerance: How far the share of a letter may be from an equal share.
        min_rows: With fewer questions nothing is said.
    """
    places: dict[int, Counter[int]] = {}
    for found in _choices(rows):
        if isinstance(found, Finding):
            yield found
        else:
            places.setdefault(len(found[1]), Counter())[found[2]] += 1
    for size, counts in sorted(places.items()):
        total, equal = counts.total(), 1 / size
        if total < min_rows:
            continue
        slack = tolerance + 2 * math.sqrt(equal * (1 - equal) / total)
        for place in range(size):
            share = counts[place] / total
            if abs(share - equal) > slack:
                letter = chr(ord("A") + place)
                yield Finding(
                    None, f"of {total} questions with {size} options {share:.1%} have the right one at {letter}, not about {equal:.1%}"
                )


@table_rule("answer", "options", group="balance")
def balanced_lengths(rows: Sequence[Row], graph: KnowledgeGraph, *, tolerance: float = 0.15, min_rows: int = 50) -> Iterator[Finding]:
    """The right option is not given away by being the longest or the shortest.

    Looks at questions with more than two options of different lengths; the share may also differ by twice the standard error.

    Args:
        rows: All rows.
        graph: The graph.
        tolerance: How far the share may be above that of chance.
        min_rows: With fewer questions nothing is said.
    """
    total, chance = 0, 0.0
    extremes = {"longest": 0, "shortest": 0}
    for found in _choices(rows):
        if isinstance(found, Finding):
            yield found
            continue
        _, options, place = found
        lengths = [len(name_key(o)) for o in options]
        if lengths.count(max(lengths)) == 1 and lengths.count(min(lengths)) == 1:
            total, chance = total + 1, chance + 1 / len(options)
            extremes["longest"] += lengths[place] == max(lengths)
            extremes["shortest"] += lengths[place] == min(lengths)
    if total < min_rows:
        return
    expected = chance / total
    slack = tolerance + 2 * math.sqrt(expected * (1 - expected) / total)
    for word, count in extremes.items():
        if count / total > expected + slack:
            yield Finding(
                None, f"the right option is the {word} in {count / total:.1%} of {total} questions, where chance gives {expected:.1%}"
            )
