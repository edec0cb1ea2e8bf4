"""HTML and SVG in which text cannot be anything but text.

`element` alone makes Markup; whatever else it is given, it escapes. A name or a statement that is
put into a string by hand is escaped once too often then, never once too seldom.
"""

from collections.abc import Iterable
from html import escape

from handgrad.text import printable


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """`value` as text and nothing else, in an element or in a quoted attribute."""
    return Markup(value if isinstance(value, Markup) else escape(printable(value), quote=True))


def element(tag: str, *children: str, **attributes: str | None) -> Markup:
    """`<tag attributes>children</tag>`; `class_` is `class`, `aria_label` is `aria-label`.

    An attribute that is None is left out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{given}>{joined(children)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """All of `parts`, one after the other."""
    return Markup(text(between).join(text(part) for part in parts))


def lines(parts: Iterable[str]) -> Markup:
    """`parts` as lines of text, in a `pre`."""
    return Markup("\n".join(text(part) for part in parts))
