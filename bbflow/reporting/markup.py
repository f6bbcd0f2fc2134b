"""HTML and SVG elements as plain functions; text is escaped unless it is markup already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

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


def document(title: str, *body: object) -> str:
    """A whole page with the style of all pages; nothing is loaded from elsewhere, nothing runs."""
    style = files("bbflow.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(style)),
    )
    return "<!doctype html>\n" + el("html", head, el("body", el("main", *body)), lang="en") + "\n"


def cards(heads: Sequence[str], rows: Sequence[Mapping[str, object]]) -> Markup:
    """A table whose rows turn into cards on a phone; the span keeps a cell in one piece there."""
    labels = {head: head.replace("_", " ") for head in heads}
    body = [el("tr", *(el("td", el("span", row.get(head, "")), data_label=labels[head]) for head in heads)) for row in rows]
    return el(
        "table", el("thead", el("tr", *(el("th", label, scope="col") for label in labels.values()))), el("tbody", *body), class_="cards"
    )


def _text(value: object) -> str:
    """Renders a value; coordinates are cut to two decimals, which is finer than any screen."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
