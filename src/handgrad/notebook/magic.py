"""`%handgrad`: how much is told, the last verdicts again, on and off."""

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import TYPE_CHECKING

from handgrad.checker.records import HINTS, Hint
from handgrad.errors import CheckError

if TYPE_CHECKING:
    from handgrad.notebook.extension import Extension

PREFIX = "notebook: "
USAGE = "%handgrad [where|what|fix|derive|pair NAME=TENSOR|explain CODE|on|off]"
HELP = f"""{USAGE}

(nothing)         the whole report so far
where, what, fix  how much is told from now on, and the last verdicts again so: the lines to blame;
                  and what is the matter; and what to type
derive            the backward pass of the latest forward pass, verified, into a new cell;
                  --fused: known blocks in closed form
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
    if rest not in ("", "--fused"):
        return f"handgrad: derive {rest}: expected %handgrad derive, or %handgrad derive --fused"
    if extension.watch is None:
        return "handgrad: no forward pass seen so far: run its cells"
    from handgrad.notebook.deriving import derived, said

    names = extension.shell.user_ns
    try:
        made = derived(extension.watch.session, names, fused=bool(rest))
    except CheckError as refusal:
        return f"handgrad: {str(refusal).removeprefix(PREFIX)}"
    source = str(made).rstrip("\n")
    if getattr(extension.shell, "simple_prompt", False):  # which no line can be put at
        return f"{source}\n\n{said(made, '')}"
    if made.gradients:
        extension.shell.set_next_input(source)
    return said(made)


def _explained(extension: "Extension", rest: str) -> str | None:
    from handgrad.checker.report.codes import find, pages, unknown

    known = pages()
    if not rest:
        return "\n".join(f"{page.code}  {page.name}" for page in known.values())
    found = [f"{page.code}  {page.name}\n{cleandoc(page.text)}" for page in find(rest, known)]
    return "\n\n".join(found) or f"handgrad: {unknown(rest, known)}"


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
