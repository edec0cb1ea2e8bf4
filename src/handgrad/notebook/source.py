"""Where in its cell a syntax tree stands: IPython hands over trees that count from 1.

Blank lines at the top of a cell are gone before it is parsed; a cell magic (`%%time`) parses what
stands below it, a line magic (`%time dh = f(x)`) its own line.
"""

import ast
from dataclasses import dataclass
from types import FrameType


@dataclass(frozen=True)
class CellText:
    """One run of a cell: its number as Jupyter shows it, what the user wrote, what IPython made of
    that (magics as calls)."""

    number: int
    raw: str
    transformed: str

    @property
    def blank(self) -> int:
        """How many blank lines it begins with."""
        return _blank(self.raw.split("\n"))

    def whole(self) -> "Standing":
        """Return where the tree of the cell itself stands."""
        return Standing(self.blank, "\n" * self.blank + self.transformed)

    def inner(self, tree: ast.Module, line: int) -> "Standing":
        """Return where a tree stands that the magic in `line` has parsed."""
        lines = self.raw.split("\n")
        if self.raw.lstrip().startswith("%%"):
            above = line + _blank(lines[line:])
            return Standing(above, "\n" * above + "\n".join(lines[above:]))
        return Standing(line - 1, "\n" * (line - 1) + ast.unparse(tree))


@dataclass(frozen=True)
class Standing:
    """So many lines stand above a tree in its cell; the lines of `text` are those of the cell."""

    above: int
    text: str

    def parsed(self) -> ast.Module:
        """Return the tree anew."""
        return ast.parse("\n".join(self.text.split("\n")[self.above :]))


def _blank(lines: list[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.strip()), 0)


def line_of(frame: FrameType | None, names: dict[str, object]) -> int | None:
    """Return the line of the running cell that `frame` was called from, as IPython counts it."""
    while frame is not None:
        if frame.f_globals is names and frame.f_code.co_name == "<module>":
            return frame.f_lineno
        frame = frame.f_back
    return None


def is_timing(frame: FrameType | None) -> bool:
    """Tell whether `%timeit` or a profiler asks: it runs its statement many times over."""
    while frame is not None:
        if frame.f_code.co_name in TIMING and "magic" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


TIMING = ("timeit", "prun", "lprun", "memit")
