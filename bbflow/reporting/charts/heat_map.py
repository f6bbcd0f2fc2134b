"""Values in [-1, 1] as colours: strips over steps, and half a square of pairs. Red is below 0, blue above, grey missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from bbflow.reporting.charts.svg import BLUE, INK, MUTED, RULE, VERMILLION, WIDTH, drawing, el, label


def heat_map(title: str, rows: Mapping[str, Sequence[float]], x: Sequence[float], columns: int = 40) -> Markup:
    """Return one strip of coloured cells per row, with the last value next to it.

    Args:
        title: Read by screen readers.
        rows: Label to one value per step; NaN where there is none.
        x: Steps.
        columns: Largest number of cells per strip; they are evenly chosen and include the last step.
    """
    if not len(x):
        return drawing(title, "no data", 40, [label("no data", WIDTH / 2, 24, anchor="middle", fill=MUTED)])
    count = min(columns, len(x))
    chosen = [round((i + 1) * len(x) / count) - 1 for i in range(count)]
    left, span, row, top = 8.0, WIDTH - 56.0, 32.0, 4.0
    bottom, cell = top + row * len(rows), span / count
    parts, said = [], []
    for i, (name, values) in enumerate(rows.items()):
        y = top + row * i
        shown = f"{values[-1]:+.2f}" if math.isfinite(values[-1]) else "none"
        said.append(f"{name} {shown}")
        parts += [label(name, left, y + 11, size=11), label(shown, left + span + 6, y + 26, size=11, weight=600)]
        for n, at in enumerate(chosen):
            place, wide = f"{left + cell * n:.1f}", f"{cell + 0.3:.1f}"
            parts.append(el("rect", x=place, y=y + 15, width=wide, height=14, fill=diverging(values[at])))
    ends = f"{x[chosen[0]]:g}", f"{x[chosen[-1]]:g}"
    parts += _step_axis(*ends, left, left + span, bottom + 12) + _color_key(left, bottom + 20)
    return drawing(title, "at the end " + "; ".join(said), bottom + 36, parts)


def matrix(title: str, names: Sequence[str], values: Mapping[tuple[str, str], float]) -> Markup:
    """Return half a square of coloured cells, one per pair of names.

    Args:
        title: Read by screen readers.
        names: In the order of rows and columns.
        values: Pair of names, in either order, to its value; missing pairs may be NaN or absent.
    """
    left, top, cell = 90.0, 20.0, min(60.0, (WIDTH - 94.0) / max(1, len(names) - 1))
    parts, said = [], []
    for i, row in enumerate(names[1:]):
        parts.append(label(row, left - 6, top + cell * i + cell / 2 + 4, anchor="end", size=11))
        for j, column in enumerate(names[: i + 1]):
            value = values.get((row, column), values.get((column, row), math.nan))
            shown = f"{value:+.2f}" if math.isfinite(value) else "none"
            said.append(f"{column} and {row} {shown}")
            x, y = left + cell * j, top + cell * i
            ink = "#ffffff" if abs(value) > 0.6 else INK
            parts.append(
                el("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{cell:.1f}", height=f"{cell:.1f}", fill=diverging(value), stroke=RULE)
            )
            parts.append(label(shown, x + cell / 2, y + cell / 2 + 4, anchor="middle", size=11, weight=600, fill=ink, class_="in-cell"))
    for j, column in enumerate(names[:-1]):
        parts.append(label(column, left + cell * j + cell / 2, top - 7, anchor="middle", size=10, fill=MUTED))
    return drawing(title, "; ".join(said), top + cell * max(1, len(names) - 1) + 8, parts)


def diverging(value: float) -> str:
    """Return the colour of a value in [-1, 1], white at 0.

    >>> diverging(0.0), diverging(1.0) == BLUE.lower(), diverging(-2.0) == VERMILLION.lower(), diverging(math.nan)
    ('#ffffff', True, True, '#e3e6ea')
    """
    if not math.isfinite(value):
        return "#e3e6ea"
    end, share = (BLUE if value > 0 else VERMILLION), min(abs(value), 1.0)
    channels = [round(255 + (int(end[i : i + 2], 16) - 255) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _step_axis(first: str, last: str, left: float, right: float, y: float) -> list[Markup]:
    return [
        label(first, left, y, size=10, fill=MUTED),
        label(last, right, y, anchor="end", size=10, fill=MUTED),
        label("step", (left + right) / 2, y, anchor="middle", size=10, fill=MUTED),
    ]


def _color_key(left: float, y: float) -> list[Markup]:
    parts = []
    for i, value in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0, math.nan)):
        parts.append(el("rect", x=left + 54 * i, y=y, width=14, height=10, fill=diverging(value), stroke=RULE))
        parts.append(label("none" if math.isnan(value) else f"{value:g}", left + 54 * i + 18, y + 9, size=10, fill=MUTED))
    return parts
