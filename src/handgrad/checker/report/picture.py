"""The small picture of where a gradient is wrong: a box for each cell, darker for larger errors."""

from dataclasses import dataclass
from itertools import groupby

SIDE, LARGEST = 120.0, 14.0
"""Pixels: the largest side of the picture, and of a box."""


@dataclass(frozen=True)
class Picture:
    """What the SVG needs: its size in pixels and in boxes, one path for each level, the grid."""

    width: str
    height: str
    columns: int
    rows: int
    paths: dict[str, str]
    grid: str


def draw_picture(levels: tuple[str, ...]) -> Picture:
    """Return the picture of the levels of a Spread.

    The boxes fill it in both directions: few rows of many columns must not become a thread.
    """
    rows, columns = len(levels), len(levels[0])
    width, height = (f"{n * min(LARGEST, SIDE / n):.0f}" for n in (columns, rows))
    return Picture(width, height, columns, rows, _paths(levels), _grid(rows, columns))


def _paths(levels: tuple[str, ...]) -> dict[str, str]:
    """Return one path for each level, over the runs of that level in each row."""
    paths: dict[str, list[str]] = {}
    for y, row in enumerate(levels):
        x = 0
        for level, run in groupby(row):
            width = len(list(run))
            paths.setdefault(level, []).append(f"M{x} {y}h{width}v1h{-width}z")
            x += width
    return {level: "".join(parts) for level, parts in sorted(paths.items())}


def _grid(rows: int, columns: int) -> str:
    across = [f"M0 {y}h{columns}" for y in range(1, rows)]
    return "".join([*across, *(f"M{x} 0v{rows}" for x in range(1, columns))])
