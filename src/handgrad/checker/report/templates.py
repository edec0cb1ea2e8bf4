"""HTML from the templates in templates/, with every value escaped.

A value is inserted as text: control characters are made visible, markup is escaped. Only a Markup,
the output of a template, is inserted as it is. The indentation and the line ends of a template are
for its reader and are not part of the output, so that `pre` and inline elements get no stray space.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from handgrad.text import printable


def render(template: str, **values: Any) -> str:
    """Return the output of a template in templates/."""
    return environment().get_template(template).render(values)


@cache
def environment() -> Environment:
    """Return the environment that all templates share."""
    templates = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
    )
    templates.filters["lines"] = lines
    return templates


def lines(texts: Iterable[str]) -> Markup:
    """Return texts as the lines of a `pre`."""
    return Markup("\n").join(escape(printable(text)) for text in texts)


@cache
def style_sheet(name: str) -> Markup:
    """Return one of our own style sheets; it contains nothing of the user's."""
    return Markup(files(__package__).joinpath(name).read_text("utf-8"))


def _source(template: str) -> str:
    text = files(__package__).joinpath("templates", template).read_text("utf-8")
    return "".join(line.strip() for line in text.split("\n"))


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))
