"""Horizontal bars of scores with their intervals and the scores of null models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bbflow.reporting.charts.axes import Interval, Scale
from bbflow.reporting.charts.svg import BLUE, INK, MUTED, RULE, VERMILLION, WIDTH, drawing, el, label

LEFT, RIGHT, ROW, TOP = 52.0, 38.0, 26.0, 8.0
_MARKS = (0, 0.25, 0.5, 0.75, 1)
_X = Scale((0.0, 1.0), (LEFT, WIDTH - RIGHT), clip=True)


@dataclass(frozen=True)
class Bar:
    """A score in [0, 1] with its interval."""

    label: str
    score: float
    interval: Interval | None = None
    color: str = BLUE


def score_bars(title: str, bars: Sequence[Bar], nulls: Mapping[str, float] | None = None) -> Markup:
    """Return horizontal bars from 0 to 1 with whiskers; null models are ticks on the axis, the best one a dashed line with its name."""
    nulls = nulls or {}
    bottom = TOP + ROW * len(bars)
    parts = [el("line", x1=_X(v), x2=_X(v), y1=TOP, y2=bottom, stroke=RULE) for v in _MARKS]
    parts += [label(f"{v:g}", _X(v), bottom + 13, anchor="middle", size=10, fill=MUTED) for v in _MARKS]
    for i, bar in enumerate(bars):
        parts += _bar(bar, TOP + ROW * i)
    parts += _nulls(nulls, bottom)
    values = "; ".join(f"{b.label} {b.score:.3f}" for b in bars) + "".join(f"; {name} {value:.3f}" for name, value in nulls.items())
    return drawing(title, values, bottom + 20 + 15 * bool(nulls), parts)


def _bar(bar: Bar, y: float) -> list[Markup]:
    middle, end = y + ROW / 2, _X(bar.score)
    parts = [
        label(bar.label, LEFT - 6, middle + 4, anchor="end"),
        el("rect", x=LEFT, y=y + 5, width=end - LEFT, height=ROW - 10, fill=bar.color, rx=2),
    ]
    if bar.interval is not None:
        low, high = map(_X, bar.interval)
        parts.append(el("line", x1=low, x2=high, y1=middle, y2=middle, stroke=INK, stroke_width=1.5))
        parts += [el("line", x1=v, x2=v, y1=middle - 4, y2=middle + 4, stroke=INK, stroke_width=1.5) for v in (low, high)]
        end = max(end, high)
    return [*parts, label(f"{bar.score:.2f}", min(end + 5, WIDTH - 26), middle + 4, weight=600)]


def _nulls(nulls: Mapping[str, float], bottom: float) -> list[Markup]:
    if not nulls:
        return []
    best = max(nulls, key=lambda name: nulls[name])
    at, text = _X(nulls[best]), f"best null model: {best.replace('_', ' ')} {nulls[best]:.2f}"
    return [
        *(el("line", x1=_X(v), x2=_X(v), y1=bottom - 5, y2=bottom + 2, stroke=VERMILLION, stroke_width=2) for v in nulls.values()),
        el("line", x1=at, x2=at, y1=TOP - 4, y2=bottom, stroke=VERMILLION, stroke_width=2, stroke_dasharray="3 2"),
        label(text, LEFT, bottom + 29, size=11, fill=VERMILLION),
    ]
