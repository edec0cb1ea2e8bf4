"""`%handgrad`: how much is told, the last verdicts again, on and off."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handgrad.checker.records import HINTS, Hint

if TYPE_CHECKING:
    from handgrad.ipython.extension import Extension

USAGE = "%handgrad [where|what|fix|derive|pair NAME=TENSOR|explain CODE|on|off]"
HELP = f"""{USAGE}

(nothing)         the whole report so far
where, what, fix  how much is told from now on, and the last verdicts again so: the lines to blame;
                  and what is the matter; and what to type
derive            the backward pass of the latest forward pass, into a new cell
pair dh=a         dh holds the gradient of a, where the name does not say so
explain HG104     a cause's page
off, on           stop watching, watch again; `%%handgrad off` on top of a cell: not this cell
"""


def run(extension: "Extension", line: str) -> str | None:
    """Do what the line says; return what to print, if anything."""
    word, _, rest = line.strip().partition(" ")
    if word not in WORDS:
        return f"handgrad: no such word: {word}. It is {USAGE}"
    return WORDS[word](extension, rest.strip())


def _whole(extension: "Extension", rest: str) -> str | None:
    return extension.journal.show_whole()


def _level(level: Hint) -> Callable[["Extension", str], str | None]:
    def set_level(extension: "Extension", rest: str) -> str | None:
        extension.journal.level = level
        return extension.journal.show_last()

    return set_level


def _on(extension: "Extension", rest: str) -> str | None:
    extension.on = True
    return "handgrad: on, from the next cell"


def _off(extension: "Extension", rest: str) -> str | None:
    extension.on = False
    return "handgrad: off; %handgrad on watches again"


def _pair(extension: "Extension", rest: str) -> str | None:
    made = re.fullmatch(r"(\w+)\s*=\s*(\w+)", rest)
    if made is None:
        return f"handgrad: pair {rest}: expected NAME=TENSOR, such as %handgrad pair dh=a"
    extension.pairs[made[1]] = made[2]
    return f"handgrad: {made[1]} is the gradient of {made[2]}; run its cell again"


def _derived(extension: "Extension", rest: str) -> str | None:
    if extension.watch is None:
        return "handgrad: no forward pass seen yet: run its cells"
    try:
        source = _derive(extension.watch.session)
    except ImportError:
        return "handgrad: this version has no derive"
    extension.shell.set_next_input(source)
    return None


def _derive(session: Any) -> str:
    """Return the backward pass of the latest forward pass, as source."""
    raise ImportError


def _explained(extension: "Extension", rest: str) -> str | None:
    if not re.fullmatch(r"HG\d+", rest):
        return f"handgrad: explain {rest}: expected a code, such as %handgrad explain HG104"
    try:
        return _explain(rest)
    except ImportError:
        return "handgrad: this version has no pages of causes"


def _explain(code: str) -> str:
    """Return a cause's page, as `handgrad explain` prints it."""
    raise ImportError


WORDS: dict[str, Callable[["Extension", str], str | None]] = {
    "": _whole,
    **{level: _level(level) for level in HINTS},
    "derive": _derived,
    "pair": _pair,
    "explain": _explained,
    "on": _on,
    "off": _off,
    "help": lambda extension, rest: HELP,
}
