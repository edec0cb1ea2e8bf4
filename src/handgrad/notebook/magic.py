"""`%handgrad`: level of detail, derive, explain, on and off."""

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Protocol

from handgrad.checker.records import HINTS, Hint
from handgrad.errors import CheckError
from handgrad.notebook.journal import Journal

if TYPE_CHECKING:
    from handgrad.notebook.watch import Watch

PREFIX = "notebook: "
USAGE = "%handgrad [where|what|fix|derive|pair NAME=TENSOR|explain CODE|on|off]"
HELP = f"""{USAGE}

(nothing)         show the report of all gradients so far
where, what, fix  set the level of detail, and show the last verdicts at that level:
                  where names the lines to blame, what adds the causes, fix the corrected lines
derive            write the backward pass of the latest forward pass, verified, into a new cell;
                  --fused uses the closed form of known blocks
pair dh=a         declare that dh is the gradient of a, if the name does not show it
explain HG104     explain a code of a report
off, on           stop and resume watching; `%%handgrad off` at the top of a cell skips that cell
"""


class Controls(Protocol):
    """What the subcommands read and change: the extension in its shell."""

    shell: Any
    on: bool
    pairs: dict[str, str]
    journal: Journal
    watch: "Watch | None"


def run(extension: Controls, line: str) -> str | None:
    """Run one subcommand; return what to print, if anything."""
    word, _, rest = line.strip().partition(" ")
    if word not in SUBCOMMANDS:
        return f"handgrad: unknown subcommand: {word}. Usage: {USAGE}"
    return SUBCOMMANDS[word](extension, rest.strip())


def _whole(extension: Controls, rest: str) -> str | None:
    return extension.journal.show_whole()


def _level(level: Hint) -> Callable[[Controls, str], str | None]:
    def set_level(extension: Controls, rest: str) -> str | None:
        extension.journal.level = level
        return extension.journal.show_last()

    return set_level


def _on(extension: Controls, rest: str) -> str | None:
    extension.on = True
    return "handgrad: on, starting with the next cell"


def _off(extension: Controls, rest: str) -> str | None:
    extension.on = False
    return "handgrad: off; resume with %handgrad on"


def _pair(extension: Controls, rest: str) -> str | None:
    pair = re.fullmatch(r"(\w+)\s*=\s*(\w+)", rest)
    if pair is None:
        return f"handgrad: pair {rest}: expected NAME=TENSOR, such as %handgrad pair dh=a"
    extension.pairs[pair[1]] = pair[2]
    return f"handgrad: {pair[1]} is the gradient of {pair[2]}; run its cell again"


def _derived(extension: Controls, rest: str) -> str | None:
    if rest not in ("", "--fused"):
        return f"handgrad: derive {rest}: expected %handgrad derive, or %handgrad derive --fused"
    if extension.watch is None:
        return "handgrad: no forward pass recorded yet; run its cells first"
    from handgrad.notebook.deriving import derived, summary

    names = extension.shell.user_ns
    try:
        derivation = derived(extension.watch.session, names, fused=bool(rest))
    except CheckError as refusal:
        return f"handgrad: {str(refusal).removeprefix(PREFIX)}"
    source = str(derivation).rstrip("\n")
    if getattr(extension.shell, "simple_prompt", False):  # it cannot be filled in
        return f"{source}\n\n{summary(derivation, '')}"
    if derivation.gradients:
        extension.shell.set_next_input(source)
    return summary(derivation)


def _explained(extension: Controls, rest: str) -> str | None:
    from handgrad.checker.report.codes import find, pages, unknown

    known = pages()
    if not rest:
        return "\n".join(f"{page.code}  {page.name}" for page in known.values())
    texts = [f"{page.code}  {page.name}\n{cleandoc(page.text)}" for page in find(rest, known)]
    return "\n\n".join(texts) or f"handgrad: {unknown(rest, known)}"


SUBCOMMANDS: dict[str, Callable[[Controls, str], str | None]] = {
    "": _whole,
    **{level: _level(level) for level in HINTS},
    "derive": _derived,
    "pair": _pair,
    "explain": _explained,
    "on": _on,
    "off": _off,
    "help": lambda extension, rest: HELP,
}
