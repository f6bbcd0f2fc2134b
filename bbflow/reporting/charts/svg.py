"""SVG elements as plain functions; text is escaped unless it is `Markup` already.

Colours follow Okabe and Ito and remain distinct under the common kinds of colour blindness; shape or text always repeats the
message of a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markupsafe import Markup

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, MUTED, RULE = "#1d2733", "#5b6775", "#d7dde4"
WIDTH = 340.0
"""Width of every chart in units of its view box; the page scales it."""


class Figure(NamedTuple):
    """A chart with its caption and a note below."""

    caption: str | None
    chart: Markup
    note: str | None = None


def el(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: Tag name.
        *children: Markup, or values that are turned into escaped text; None is left out.
        **attributes: Values are escaped; underscores become hyphens, a trailing one is dropped (`class_`); None is left out.

    >>> str(el("text", "a < b", class_="n", text_anchor="end"))
    '<text class="n" text-anchor="end">a &lt; b</text>'
    >>> str(el("line", x1=0, y1=2.50001))
    '<line x1="0" y1="2.5"/>'
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(_text(v))}"' for key, v in attributes.items() if v is not None)
    inside = join(*children)
    return Markup(f"<{name}{given}/>" if not inside else f"<{name}{given}>{inside}</{name}>")  # noqa: S704 (all parts are escaped)


def join(*children: object) -> Markup:
    """Return the children in a row; text that is no markup is escaped.

    >>> str(join("a&b", el("tspan", "c"), None))
    'a&amp;b<tspan>c</tspan>'
    """
    return Markup("".join(str(c) if isinstance(c, Markup) else escape(_text(c)) for c in children if c is not None))  # noqa: S704


def label(
    text: str,
    x: float,
    y: float,
    anchor: str = "start",
    size: int = 12,
    fill: str = INK,
    weight: int | None = None,
    class_: str | None = None,
) -> Markup:
    """Return a text element at a point."""
    return el("text", text, x=x, y=y, text_anchor=anchor, font_size=size, fill=fill, font_weight=weight, class_=class_)


def drawing(title: str, description: str, height: float, parts: Sequence[Markup]) -> Markup:
    """Return the chart: an `svg` element whose title tells screen readers the values."""
    return el("svg", el("title", f"{title}: {description}"), join(*parts), viewBox=f"0 0 {WIDTH:g} {height:g}", role="img")


def _text(value: object) -> str:
    """Return a value as text; coordinates are cut to two decimals, finer than any screen."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
