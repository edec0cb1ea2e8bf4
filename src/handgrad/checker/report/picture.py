"""The small picture of where an error sits, as SVG: a cell a box, the darker the further off."""

from handgrad.checker.records import Spread
from handgrad.checker.report.markup import Markup, element

SIDE, LARGEST = 120.0, 14.0
"""Pixels: a side of the picture at most, and of a cell."""


def picture(spread: Spread, name: str) -> Markup:
    """The picture with its caption. `name` is what the gradient is called."""
    drawing = element(
        "svg",
        element("title", f"Where {name} is off: {spread.caption}"),
        *_cells(spread.levels),
        element("path", class_="grid", d=_grid(spread.levels)),
        role="img",
        **_size(spread.levels),
    )
    return element("figure", drawing, element("figcaption", "off: ", spread.caption))


def _size(levels: tuple[str, ...]) -> dict[str, str]:
    """Cells fill the picture either way: few rows of many columns are not to become a thread."""
    rows, columns = len(levels), len(levels[0])
    width, height = (n * min(LARGEST, SIDE / n) for n in (columns, rows))
    return {
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "viewBox": f"0 0 {columns} {rows}",
        "preserveAspectRatio": "none",
    }


def _cells(levels: tuple[str, ...]) -> list[Markup]:
    """One path a level, of the runs of that level in each row."""
    paths: dict[str, list[str]] = {}
    for y, row in enumerate(levels):
        start = 0
        for x in range(1, len(row) + 1):
            if x == len(row) or row[x] != row[start]:
                paths.setdefault(row[start], []).append(f"M{start} {y}h{x - start}v1h{start - x}z")
                start = x
    return [element("path", class_=f"l{sign}", d="".join(d)) for sign, d in sorted(paths.items())]


def _grid(levels: tuple[str, ...]) -> str:
    rows, columns = len(levels), len(levels[0])
    across = [f"M0 {y}h{columns}" for y in range(1, rows)]
    return "".join([*across, *(f"M{x} 0v{rows}" for x in range(1, columns))])
