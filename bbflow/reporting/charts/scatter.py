"""Labelled points on two axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bbflow.reporting.charts.axes import Scale, nice_ticks, wide_range
from bbflow.reporting.charts.svg import BLUE, MUTED, RULE, WIDTH, drawing, el, label

LEFT, RIGHT, TOP, BOTTOM = 40.0, 16.0, 26.0, 40.0


@dataclass(frozen=True)
class Point:
    """A labelled point; `filled` ones stand out."""

    label: str
    x: float
    y: float
    filled: bool = True


def scatter(title: str, points: Sequence[Point], x_label: str, y_label: str, height: float = 240.0) -> Markup:
    """Return points with their labels; both axes fit the data.

    Args:
        title: Read by screen readers.
        points: At least one.
        x_label: Name of the x axis.
        y_label: Name of the y axis, written above it.
        height: In units of the 340-wide drawing.
    """
    xs, ys = nice_ticks(*wide_range([p.x for p in points])), nice_ticks(*wide_range([p.y for p in points]))
    px = Scale((xs[0], xs[-1]), (LEFT, WIDTH - RIGHT))
    py = Scale((ys[0], ys[-1]), (height - BOTTOM, TOP))
    parts = [label(y_label, 4, 14, size=10, fill=MUTED), label(x_label, WIDTH - RIGHT, height - 8, anchor="end", size=10, fill=MUTED)]
    for mark in ys:
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=py(mark), y2=py(mark), stroke=RULE))
        parts.append(label(f"{mark:g}", LEFT - 5, py(mark) + 3.5, anchor="end", size=10, fill=MUTED))
    for mark in xs:
        parts.append(el("line", x1=px(mark), x2=px(mark), y1=TOP, y2=height - BOTTOM, stroke=RULE))
        parts.append(label(f"{mark:g}", px(mark), height - BOTTOM + 14, anchor="middle", size=10, fill=MUTED))
    for point in sorted(points, key=lambda p: p.filled):
        parts.append(
            el("circle", cx=px(point.x), cy=py(point.y), r=4.5, fill=BLUE if point.filled else "#fff", stroke=BLUE, stroke_width=1.5)
        )
        beyond = px(point.x) > WIDTH * 0.6
        at = px(point.x) + (-8 if beyond else 8)
        parts.append(label(point.label, at, py(point.y) - 5, anchor="end" if beyond else "start", size=10))
    said = "; ".join(f"{p.label} {p.x:.3f}, {p.y:.3f}{', on the front' if p.filled else ''}" for p in points)
    return drawing(title, said, height, parts)
