"""Where in its cell a syntax tree is: IPython numbers the lines of every tree from 1.

IPython drops blank lines at the top of a cell before it parses it. A cell magic (`%%time`) parses
the lines below it, a line magic (`%time dh = f(x)`) its own line.
"""

import ast
import traceback
from dataclasses import dataclass
from types import FrameType


@dataclass(frozen=True)
class CellText:
    """One run of a cell: its number in Jupyter, its text, and its text with magics as calls."""

    number: int
    raw: str
    transformed: str

    @property
    def blank(self) -> int:
        """The number of blank lines at its top."""
        return _blank(self.raw.split("\n"))

    def whole(self) -> "TreePlace":
        """Return the place of the tree of the whole cell."""
        return TreePlace(self.blank, "\n" * self.blank + self.transformed)

    def inner(self, tree: ast.Module, line: int) -> "TreePlace":
        """Return the place of a tree that the magic in `line` has parsed."""
        lines = self.raw.split("\n")
        if self.raw.lstrip().startswith("%%"):
            above = line + _blank(lines[line:])
            return TreePlace(above, "\n" * above + "\n".join(lines[above:]))
        return TreePlace(line - 1, "\n" * (line - 1) + ast.unparse(tree))


@dataclass(frozen=True)
class TreePlace:
    """The number of lines `above` a tree in its cell; `text` has all lines of the cell."""

    above: int
    text: str

    def parsed(self) -> ast.Module:
        """Parse the tree again."""
        return ast.parse("\n".join(self.text.split("\n")[self.above :]))


def _blank(lines: list[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.strip()), 0)


def line_of(frame: FrameType, names: dict[str, object]) -> int | None:
    """Return the line of the running cell that led to `frame`, as IPython counts lines."""
    for caller, line in traceback.walk_stack(frame):
        if caller.f_globals is names and caller.f_code.co_name == "<module>":
            return line
    return None


def is_timing(frame: FrameType) -> bool:
    """Return whether `%timeit` or a profiler is calling, which runs its statement many times."""
    callers = (caller.f_code for caller, _ in traceback.walk_stack(frame))
    return any(code.co_name in TIMING and "magic" in code.co_filename for code in callers)


TIMING = ("timeit", "prun", "lprun", "memit")
