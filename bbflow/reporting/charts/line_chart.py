"""Curves over a shared x axis, with a legend below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bbflow.reporting.charts.axes import Interval, Scale, nice_ticks
from bbflow.reporting.charts.svg import BLUE, MUTED, RULE, WIDTH, drawing, el, label

LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 8.0, 44.0
_LETTER = 6.2
"""Width of a letter of the legend."""


@dataclass(frozen=True)
class Line:
    """A curve; points that are NaN are left out. `marked` draws points, `faint` a thin line in the background."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = BLUE
    marked: bool = False
    faint: bool = False

    @property
    def points(self) -> list[tuple[float, float]]:
        """The finite points."""
        return [(float(a), float(b)) for a, b in zip(self.x, self.y, strict=True) if math.isfinite(b)]


def line_chart(title: str, lines: Sequence[Line], limits: Interval | None = None, height: float = 190.0, x_label: str = "step") -> Markup:
    """Return curves over a shared x axis, with a legend below.

    Args:
        title: Read by screen readers.
        lines: Curves; without a single finite point, the chart says "no data".
        limits: y axis; None fits the data.
        height: In units of the 340-wide drawing.
        x_label: Name of the x axis, 40 characters at most.
    """
    drawn = [(line, points) for line in lines if (points := line.points)]
    if not drawn:
        return drawing(title, "no data", 40, [label("no data", WIDTH / 2, 24, anchor="middle", fill=MUTED)])
    xs, ys = ([point[i] for _, points in drawn for point in points] for i in (0, 1))
    marks = nice_ticks(*(limits or (min(ys), max(ys))))
    px = Scale((min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1), (LEFT, WIDTH - RIGHT))
    py = Scale((marks[0], marks[-1]), (height - BOTTOM, TOP), clip=True)
    parts = _axes(px, py, marks, x_label)
    for line, points in drawn:
        parts += _curve(line, [(px(a), py(b)) for a, b in points])
    legend, below = _legend([line for line, _ in drawn if not line.faint], height - 12)
    values = "; ".join(f"{line.label} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for line, points in drawn if not line.faint)
    return drawing(title, values, below + 12, parts + legend)


def smoothed(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Return the exponential moving average with bias correction, as in Adam; NaN stays NaN and does not enter the average.

    >>> [round(v, 3) for v in smoothed([1.0, 0.0], weight=0.5)]
    [1.0, 0.333]
    """
    average, mass, result = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            average, mass = weight * average + (1 - weight) * value, weight * mass + 1 - weight
        result.append(average / mass if math.isfinite(value) else math.nan)
    return result


def _axes(px: Scale, py: Scale, marks: Sequence[float], x_label: str) -> list[Markup]:
    parts, below = [], py.drawn[0] + 14
    for mark in marks:
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=py(mark), y2=py(mark), stroke=RULE))
        parts.append(label(f"{mark:g}", LEFT - 5, py(mark) + 3.5, anchor="end", size=10, fill=MUTED))
    for value, anchor in zip(px.data, ("start", "end"), strict=True):
        short = f"{value:g}" if value.is_integer() else f"{value:.3g}"  # leaves room for the axis name between the two
        parts.append(label(short, px(value), below, anchor=anchor, size=10, fill=MUTED))
    return [*parts, label(x_label, (LEFT + WIDTH - RIGHT) / 2, below, anchor="middle", size=10, fill=MUTED)]


def _curve(line: Line, points: Sequence[tuple[float, float]]) -> list[Markup]:
    width, opacity = (1, 0.35) if line.faint else (2, 1)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [el("polyline", points=path, fill="none", stroke=line.color, stroke_width=width, opacity=opacity)]
    return parts + [_mark(line, x, y) for x, y in points if line.marked or len(points) == 1]


def _legend(lines: Sequence[Line], y: float) -> tuple[list[Markup], float]:
    """Return the legend, which breaks into rows, and the y of its last row."""
    parts, at = [], LEFT
    for line in lines:
        if at > LEFT and at + 20 + _LETTER * len(line.label) > WIDTH:
            at, y = LEFT, y + 16
        parts.append(el("line", x1=at, x2=at + 16, y1=y, y2=y, stroke=line.color, stroke_width=2))
        if line.marked:
            parts.append(_mark(line, at + 8, y))
        parts.append(label(line.label, at + 20, y + 4, size=11))
        at += 34 + _LETTER * len(line.label)
    return parts, y


def _mark(line: Line, x: float, y: float) -> Markup:
    return el("circle", cx=x, cy=y, r=3, fill="#fff", stroke=line.color, stroke_width=2)
