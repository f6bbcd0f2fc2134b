"""HTML and SVG elements as plain functions; text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape

VOID = frozenset({"br", "meta", "line", "rect", "circle", "path", "polyline"})


class Markup(str):
    """Text that is markup, to be put into a page as it is."""

    __slots__ = ()


def el(name: str, /, *children: object, **attributes: object) -> Markup:
    """Builds an element.

    Args:
        name: Tag name.
        *children: Markup, or anything else, which is turned into escaped text; None is left out.
        **attributes: Values are escaped; underscores become hyphens, a trailing one is dropped (`class_`); None is left out.

    >>> el("td", "a < b", class_="n", data_label="x")
    '<td class="n" data-label="x">a &lt; b</td>'
    >>> el("line", x1=0, y1=2.50001)
    '<line x1="0" y1="2.5"/>'
    """
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(_text(v))}"' for key, v in attributes.items() if v is not None)
    inside = join(*children)
    return Markup(f"<{name}{said}/>" if name in VOID and not inside else f"<{name}{said}>{inside}</{name}>")


def join(*children: object) -> Markup:
    """Puts children one after the other, escaping what is not markup.

    >>> join("a&b", el("b", "c"), None)
    'a&amp;b<b>c</b>'
    """
    return Markup("".join(c if isinstance(c, Markup) else escape(_text(c)) for c in children if c is not None))


def _text(value: object) -> str:
    """Renders a value; coordinates are cut to two decimals, which is finer than any screen."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
