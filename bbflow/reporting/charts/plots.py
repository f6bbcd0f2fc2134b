"""Small charts as inline SVG: no scripts, no files beside the page, readable on a phone, in print and by screen readers.

Colours are those of Okabe and Ito, which stay apart under the common kinds of colour blindness; shape or text always says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bbflow.reporting.markup import Markup, el, join

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, MUTED, RULE = "#1d2733", "#5b6775", "#d7dde4"
WIDTH = 340.0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Bar:
    """A score with its interval; shares of 1."""

    label: str
    score: float
    interval: Interval | None = None
    color: str = BLUE


@dataclass(frozen=True)
class Line:
    """A curve; NaN breaks nothing, such points are left out. `marked` draws points, `faint` a thin line in the background."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = BLUE
    marked: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Point:
    """A labelled point; `filled` ones stand out."""

    label: str
    x: float
    y: float
    filled: bool = True


def score_bars(title: str, bars: Sequence[Bar], nulls: Mapping[str, float] | None = None) -> Markup:
    """Horizontal bars from 0 to 1 with whiskers; each null model is a tick on the axis, the best one a dashed line that is named."""
    left, right, row, top = 52.0, 38.0, 26.0, 8.0
    span = WIDTH - left - right
    bottom = top + row * len(bars)
    height = bottom + 20 + 15 * bool(nulls)

    def x(value: float) -> float:
        return left + span * min(max(value, 0.0), 1.0)

    parts = [el("line", x1=x(v), x2=x(v), y1=top, y2=bottom, stroke=RULE) for v in (0, 0.25, 0.5, 0.75, 1)]
    parts += [_label(f"{v:g}", x(v), bottom + 13, anchor="middle", size=10, fill=MUTED) for v in (0, 0.25, 0.5, 0.75, 1)]
    for i, bar in enumerate(bars):
        y = top + row * i
        parts.append(_label(bar.label, left - 6, y + row / 2 + 4, anchor="end"))
        parts.append(el("rect", x=left, y=y + 5, width=x(bar.score) - left, height=row - 10, fill=bar.color, rx=2))
        end = x(bar.score)
        if bar.interval is not None:
            low, high, middle = x(bar.interval[0]), x(bar.interval[1]), y + row / 2
            parts.append(el("line", x1=low, x2=high, y1=middle, y2=middle, stroke=INK, stroke_width=1.5))
            parts += [el("line", x1=v, x2=v, y1=middle - 4, y2=middle + 4, stroke=INK, stroke_width=1.5) for v in (low, high)]
            end = max(end, high)
        parts.append(_label(f"{bar.score:.2f}", min(end + 5, WIDTH - 26), y + row / 2 + 4, weight=600))
    nulls = nulls or {}
    parts += [el("line", x1=x(v), x2=x(v), y1=bottom - 5, y2=bottom + 2, stroke=VERMILLION, stroke_width=2) for v in nulls.values()]
    if nulls:
        best = max(nulls, key=lambda name: nulls[name])
        at = x(nulls[best])
        parts.append(el("line", x1=at, x2=at, y1=top - 4, y2=bottom, stroke=VERMILLION, stroke_width=2, stroke_dasharray="3 2"))
        said = f"best null model: {best.replace('_', ' ')} {nulls[best]:.2f}"
        parts.append(_label(said, left, bottom + 29, size=11, fill=VERMILLION))
    said = "; ".join(f"{b.label} {b.score:.3f}" for b in bars) + "".join(f"; {name} {value:.3f}" for name, value in nulls.items())
    return _svg(title, said, height, parts)


def line_chart(title: str, lines: Sequence[Line], limits: Interval | None = None, height: float = 190.0, x_label: str = "step") -> Markup:
    """Curves over a shared x axis, with a legend below.

    Args:
        title: Said by screen readers and shown above.
        lines: At least one with two finite points, else an empty frame says so.
        limits: y axis; None fits the data.
        height: In units of the 340-wide drawing.
        x_label: Name of the x axis, 40 characters at most.
    """
    drawn = [(line, [(float(a), float(b)) for a, b in zip(line.x, line.y, strict=True) if math.isfinite(b)]) for line in lines]
    drawn = [(line, points) for line, points in drawn if points]
    left, right, top, bottom = 40.0, 12.0, 8.0, 44.0
    if not drawn:
        return _svg(title, "no data", 40, [_label("no data", WIDTH / 2, 24, anchor="middle", fill=MUTED)])
    xs = [a for _, points in drawn for a, _ in points]
    ys = [b for _, points in drawn for _, b in points]
    x0, x1 = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1
    marks = nice_ticks(*(limits or (min(ys), max(ys))))
    y0, y1 = marks[0], marks[-1]

    def px(value: float) -> float:
        return left + (WIDTH - left - right) * (value - x0) / (x1 - x0)

    def py(value: float) -> float:
        return top + (height - top - bottom) * (1 - (min(max(value, y0), y1) - y0) / (y1 - y0))

    parts = []
    for mark in marks:
        parts.append(el("line", x1=left, x2=WIDTH - right, y1=py(mark), y2=py(mark), stroke=RULE))
        parts.append(_label(f"{mark:g}", left - 5, py(mark) + 3.5, anchor="end", size=10, fill=MUTED))
    for value, anchor in ((x0, "start"), (x1, "end")):
        short = f"{value:g}" if value.is_integer() else f"{value:.3g}"  # the name of the axis stands between the two
        parts.append(_label(short, px(value), height - bottom + 14, anchor=anchor, size=10, fill=MUTED))
    parts.append(_label(x_label, (left + WIDTH - right) / 2, height - bottom + 14, anchor="middle", size=10, fill=MUTED))
    at, below = left, height - 12
    for line, points in drawn:
        path = " ".join(f"{px(a):.1f},{py(b):.1f}" for a, b in points)
        width, opacity = (1, 0.35) if line.faint else (2, 1)
        parts.append(el("polyline", points=path, fill="none", stroke=line.color, stroke_width=width, opacity=opacity))
        if line.marked or len(points) == 1:
            parts += [el("circle", cx=px(a), cy=py(b), r=3, fill="#fff", stroke=line.color, stroke_width=2) for a, b in points]
        if not line.faint:
            if at > left and at + 20 + 6.2 * len(line.label) > WIDTH:  # the legend goes on in a new row
                at, below, height = left, below + 16, height + 16
            parts.append(el("line", x1=at, x2=at + 16, y1=below, y2=below, stroke=line.color, stroke_width=2))
            if line.marked:
                parts.append(el("circle", cx=at + 8, cy=below, r=3, fill="#fff", stroke=line.color, stroke_width=2))
            parts.append(_label(line.label, at + 20, below + 4, size=11))
            at += 34 + 6.2 * len(line.label)
    said = "; ".join(f"{line.label} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for line, points in drawn if not line.faint)
    return _svg(title, said, height, parts)


def heat_map(title: str, rows: Mapping[str, Sequence[float]], x: Sequence[float], columns: int = 40) -> Markup:
    """Strips of values in [-1, 1] over steps: red below 0, blue above, grey where there is none; the last value stands beside.

    Args:
        title: Said by screen readers.
        rows: Label to one value per step; NaN where there is none.
        x: The steps.
        columns: At most so many are drawn, evenly chosen, the last among them.
    """
    if not len(x):
        return _svg(title, "no data", 40, [_label("no data", WIDTH / 2, 24, anchor="middle", fill=MUTED)])
    count = min(columns, len(x))
    chosen = [round((i + 1) * len(x) / count) - 1 for i in range(count)]
    left, span, row, top = 8.0, WIDTH - 56.0, 32.0, 4.0
    bottom, cell = top + row * len(rows), span / count
    parts, said = [], []
    for i, (label, values) in enumerate(rows.items()):
        y = top + row * i
        shown = f"{values[-1]:+.2f}" if math.isfinite(values[-1]) else "none"
        said.append(f"{label} {shown}")
        parts += [_label(label, left, y + 11, size=11), _label(shown, left + span + 6, y + 26, size=11, weight=600)]
        for n, at in enumerate(chosen):
            place, wide = f"{left + cell * n:.1f}", f"{cell + 0.3:.1f}"
            parts.append(el("rect", x=place, y=y + 15, width=wide, height=14, fill=diverging(values[at])))
    parts.append(_label(f"{x[chosen[0]]:g}", left, bottom + 12, size=10, fill=MUTED))
    parts.append(_label(f"{x[chosen[-1]]:g}", left + span, bottom + 12, anchor="end", size=10, fill=MUTED))
    parts.append(_label("step", left + span / 2, bottom + 12, anchor="middle", size=10, fill=MUTED))
    for i, value in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0, math.nan)):
        parts.append(el("rect", x=left + 54 * i, y=bottom + 20, width=14, height=10, fill=diverging(value), stroke=RULE))
        parts.append(_label("none" if math.isnan(value) else f"{value:g}", left + 54 * i + 18, bottom + 29, size=10, fill=MUTED))
    return _svg(title, "at the end " + "; ".join(said), bottom + 36, parts)


def matrix(title: str, names: Sequence[str], values: Mapping[tuple[str, str], float]) -> Markup:
    """Half a square of values in [-1, 1], one for each pair of names: red below 0, blue above, grey where there is none.

    Args:
        title: Said by screen readers.
        names: In the order of rows and columns.
        values: Pair of names, in either order, to its value; NaN or absent where there is none.
    """
    left, top, cell = 90.0, 20.0, min(60.0, (WIDTH - 94.0) / max(1, len(names) - 1))
    parts, said = [], []
    for i, row in enumerate(names[1:]):
        parts.append(_label(row, left - 6, top + cell * i + cell / 2 + 4, anchor="end", size=11))
        for j, column in enumerate(names[: i + 1]):
            value = values.get((row, column), values.get((column, row), math.nan))
            shown = f"{value:+.2f}" if math.isfinite(value) else "none"
            said.append(f"{column} and {row} {shown}")
            x, y = left + cell * j, top + cell * i
            ink = "#ffffff" if abs(value) > 0.6 else INK
            parts.append(
                el("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{cell:.1f}", height=f"{cell:.1f}", fill=diverging(value), stroke=RULE)
            )
            parts.append(_label(shown, x + cell / 2, y + cell / 2 + 4, anchor="middle", size=11, weight=600, fill=ink))
    for j, column in enumerate(names[:-1]):
        parts.append(_label(column, left + cell * j + cell / 2, top - 7, anchor="middle", size=10, fill=MUTED))
    return _svg(title, "; ".join(said), top + cell * max(1, len(names) - 1) + 8, parts)


def diverging(value: float) -> str:
    """The colour of a value in [-1, 1], white at 0.

    >>> diverging(0.0), diverging(1.0) == BLUE.lower(), diverging(-2.0) == VERMILLION.lower(), diverging(math.nan)
    ('#ffffff', True, True, '#e3e6ea')
    """
    if not math.isfinite(value):
        return "#e3e6ea"
    end, share = (BLUE if value > 0 else VERMILLION), min(abs(value), 1.0)
    channels = [round(255 + (int(end[i : i + 2], 16) - 255) * share) for i in (1, 3, 5)]
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def scatter(title: str, points: Sequence[Point], x_label: str, y_label: str, height: float = 240.0) -> Markup:
    """Points with their labels; both axes fit the data.

    Args:
        title: Said by screen readers.
        points: At least one.
        x_label: Name of the x axis.
        y_label: Name of the y axis, written above it.
        height: In units of the 340-wide drawing.
    """
    left, right, top, bottom = 40.0, 16.0, 26.0, 40.0
    xs, ys = nice_ticks(*_span([p.x for p in points])), nice_ticks(*_span([p.y for p in points]))

    def px(value: float) -> float:
        return left + (WIDTH - left - right) * (value - xs[0]) / (xs[-1] - xs[0])

    def py(value: float) -> float:
        return top + (height - top - bottom) * (1 - (value - ys[0]) / (ys[-1] - ys[0]))

    parts = [_label(y_label, 4, 14, size=10, fill=MUTED), _label(x_label, WIDTH - right, height - 8, anchor="end", size=10, fill=MUTED)]
    for mark in ys:
        parts.append(el("line", x1=left, x2=WIDTH - right, y1=py(mark), y2=py(mark), stroke=RULE))
        parts.append(_label(f"{mark:g}", left - 5, py(mark) + 3.5, anchor="end", size=10, fill=MUTED))
    for mark in xs:
        parts.append(el("line", x1=px(mark), x2=px(mark), y1=top, y2=height - bottom, stroke=RULE))
        parts.append(_label(f"{mark:g}", px(mark), height - bottom + 14, anchor="middle", size=10, fill=MUTED))
    for point in sorted(points, key=lambda p: p.filled):
        parts.append(
            el("circle", cx=px(point.x), cy=py(point.y), r=4.5, fill=BLUE if point.filled else "#fff", stroke=BLUE, stroke_width=1.5)
        )
        beyond = px(point.x) > WIDTH * 0.6
        at = px(point.x) + (-8 if beyond else 8)
        parts.append(_label(point.label, at, py(point.y) - 5, anchor="end" if beyond else "start", size=10))
    said = "; ".join(f"{p.label} {p.x:.3f}, {p.y:.3f}{', on the front' if p.filled else ''}" for p in points)
    return _svg(title, said, height, parts)


def _span(values: Sequence[float]) -> Interval:
    """The range of values, never narrower than 0.02, so that noise is not blown up."""
    middle, half = (min(values) + max(values)) / 2, max((max(values) - min(values)) / 2, 0.01)
    return middle - half, middle + half


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that enclose a range; one too narrow to be labelled counts as a point.

    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> nice_ticks(3.1, 3.1)
    [3.0, 3.25, 3.5, 3.75, 4.0]
    """
    if high - low <= 1e-6 * max(1.0, abs(low), abs(high)):
        low, high = math.floor(low), math.floor(low) + 1
    rough = (high - low) / count
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 3 - math.floor(math.log10(step))  # no more than the step needs: 0.3, not 0.30000000000000004
    return [round(step * i, digits) for i in range(first, last + 1)]


def smoothed(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average with the start corrected, as Adam does it; NaN stays NaN and is not averaged.

    >>> [round(v, 3) for v in smoothed([1.0, 0.0], weight=0.5)]
    [1.0, 0.333]
    """
    average, mass, result = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            average, mass = weight * average + (1 - weight) * value, weight * mass + 1 - weight
        result.append(average / mass if math.isfinite(value) else math.nan)
    return result


def _label(text: str, x: float, y: float, anchor: str = "start", size: int = 12, fill: str = INK, weight: int | None = None) -> Markup:
    return el("text", text, x=x, y=y, text_anchor=anchor, font_size=size, fill=fill, font_weight=weight)


def _svg(title: str, description: str, height: float, parts: Sequence[Markup]) -> Markup:
    return el("svg", el("title", f"{title}: {description}"), join(*parts), viewBox=f"0 0 {WIDTH:g} {height:g}", role="img")
