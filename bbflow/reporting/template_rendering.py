"""Rendering of the jinja2 templates in `templates/`: HTML with every value escaped, Markdown without escaping."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """Return a rendered template.

    Args:
        template: Path below `templates/`; `*.html.jinja` escapes every value that is not `Markup`.
        **values: Variables of the template; one that a template uses and nobody set is an error.
    """
    return _environment().get_template(template).render(**values)


def render_part(template: str, **values: object) -> Markup:
    """Return a rendered HTML template as markup, for a section of a page."""
    return Markup(render(template, **values))  # noqa: S704 (the template has escaped its values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("bbflow.reporting"),
        autoescape=select_autoescape(["html.jinja"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"spaced": lambda name: str(name).replace("_", " "), "fmt": format}
    return environment
