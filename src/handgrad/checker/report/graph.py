"""The graph of a report: the forward pass, each named tensor with the verdict on its gradient.

The forward pass runs down, gradients run back up. The edges along which an error spreads are heavy.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.layout import Edge, GraphLayout, lay_out, successors
from handgrad.checker.report.states import MARKS, STATES, state_of

CHARACTER, PADDING, HEIGHT, MARGIN = 7.3, 16.0, 26.0, 8.0
"""Pixels: a character of a label, the space around it, the height of a box, the outer margin."""
LONGEST = 26
"""The most characters of a name that are shown; the tooltip has all of it."""
CURVE = 22.0
"""Pixels that an edge back to an earlier box bends out to the right."""
ONE_PAGE = 1800.0
"""Pixels: a graph up to this height is printed on one page, where it is still legible."""


@dataclass(frozen=True)
class DrawnNode:
    """One named tensor, with the gradient that is shown for it and its place in the report."""

    name: str
    state: str = "none"
    row: Row | None = None
    number: int | None = None

    @property
    def origins(self) -> frozenset[str]:
        """The gradients to blame for the error of this node's gradient."""
        if self.row is None or self.row.blame is None:
            return frozenset()
        return frozenset([self.row.hand or ""] if self.row.blame == "root" else self.row.blamed_on)


@dataclass(frozen=True)
class Box:
    """A node as SVG: a link to the gradient if it has an `anchor`. Numbers are in pixels."""

    state: str
    anchor: str | None
    tooltip: str
    label: str
    x: str
    y: str
    width: str
    height: str
    radius: str
    text_x: str
    text_y: str


@dataclass(frozen=True)
class GraphDrawing:
    """The graph as SVG: paths of edges, with those of errors apart, boxes, and the legend."""

    width: str
    height: str
    view_box: str
    fits_one_page: bool
    edges: str
    error_edges: str
    error_heads: str
    boxes: tuple[Box, ...]
    states: tuple[str, ...]


def nodes_of(report: ReportData) -> dict[str, DrawnNode]:
    """Return the nodes by name; the elements of a list are one node, in their worst state."""
    names = dict.fromkeys(_plain(name) for edge in report.edges for name in edge)
    nodes = {name: DrawnNode(name) for name in names}
    order = list(STATES)
    for i, row in enumerate(report.rows):
        name, state = _plain(row.node), state_of(row)
        if name in nodes and order.index(state) < order.index(nodes[name].state):
            nodes[name] = DrawnNode(name, state, row, i)
    return nodes


def draw_graph(report: ReportData, anchors: Mapping[int, str]) -> GraphDrawing | None:
    """Return the drawing, None if there are no edges.

    `anchors` are those of the rows, by their place in the report.
    """
    nodes = nodes_of(report)
    edges = list(dict.fromkeys((_plain(a), _plain(b)) for a, b in report.edges))
    edges = [(one, other) for one, other in edges if one != other]
    if not edges:
        return None
    layout = lay_out({name: _width(name) for name in nodes}, edges)
    of_errors = inherited_along(nodes, edges)
    width, height = f"{layout.width + 2 * MARGIN:.0f}", f"{layout.height:.0f}"
    states = {node.state for node in nodes.values()}
    return GraphDrawing(
        width,
        height,
        view_box=f"{-MARGIN:.0f} 0 {width} {height}",
        fits_one_page=layout.height < ONE_PAGE,
        edges="".join(_path(layout, e) for e in edges if e not in of_errors),
        error_edges="".join(_path(layout, e) for e in edges if e in of_errors),
        error_heads="".join(_head(layout, e) for e in edges if e in of_errors),
        boxes=tuple(_box(node, layout, anchors) for node in nodes.values()),
        states=tuple(state for state in STATES if state in states),
    )


def inherited_along(nodes: Mapping[str, DrawnNode], edges: Iterable[Edge]) -> set[Edge]:
    """Return the edges along which an error spreads, from its root to the nodes that inherit it.

    A fused gradient skips nodes; the path of the error goes through them.
    """
    after = successors(edges)
    passed: set[Edge] = set()
    for node in nodes.values():
        if node.row is not None and node.row.blame == "inherited":
            passed |= _paths_to(node.name, node.origins, nodes, after)
    return passed


def _paths_to(
    start: str,
    roots: frozenset[str],
    nodes: Mapping[str, DrawnNode],
    after: Mapping[str, Sequence[str]],
) -> set[Edge]:
    """Return the edges from `start` to the next nodes whose error comes from `roots`."""
    passed: set[Edge] = set()
    paths: list[list[str]] = [[start]]
    visited = {start}
    while paths:
        path = paths.pop()
        for name in after.get(path[-1], ()):
            if nodes[name].origins & roots:
                passed.update(zip(path, [*path[1:], name], strict=True))
            elif nodes[name].row is None and name not in visited:
                visited.add(name)
                paths.append([*path, name])
    return passed


def _plain(name: str) -> str:
    """Return `hs` for `hs[3]`: otherwise a loop over time would draw each of its steps."""
    return re.sub(r"\[-?\d+\]$", "", name)


def _label(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _width(name: str) -> float:
    wide = sum(1 + (ord(character) >= 0x1100) for character in _label(name))
    return CHARACTER * (wide + 2) + PADDING


def _box(node: DrawnNode, layout: GraphLayout, anchors: Mapping[int, str]) -> Box:
    x, y = layout.places[node.name]
    width = _width(node.name)
    mark = "" if node.row is None else f"{MARKS[node.row.verdict]} "
    is_round = node.state in ("exact", "rounding", "missing", "none")
    return Box(
        node.state,
        None if node.number is None else anchors.get(node.number),
        tooltip=_tooltip(node),
        label=f"{mark}{_label(node.name)}",
        x=f"{x - width / 2:.1f}",
        y=f"{y - HEIGHT / 2:.1f}",
        width=f"{width:.1f}",
        height=f"{HEIGHT:.0f}",
        radius=f"{HEIGHT / 2:.0f}" if is_round else "2",
        text_x=f"{x:.1f}",
        text_y=f"{y + 4.5:.1f}",
    )


def _tooltip(node: DrawnNode) -> str:
    row, state = node.row, STATES[node.state]
    if row is None:
        return f"{node.name}: {state}"
    facts = (words.name(row), state, words.places(row), words.shapes(row))
    return f"{node.name}: {', '.join(fact for fact in facts if fact)}"


def _path(layout: GraphLayout, edge: Edge) -> str:
    """Return the edge from the lower side of its box to the upper side of the other."""
    if edge in layout.backward:
        return _loop(layout, edge)
    (x, y), *rest = layout.paths[edge]
    half, parts = HEIGHT / 2, [f"M{x:.1f} {y + HEIGHT / 2:.1f}"]
    for i, (x2, y2) in enumerate(rest, 1):
        middle = (y + y2) / 2
        bend = f"C{x:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2 - half:.1f}"
        parts.append(bend if abs(x2 - x) > 0.5 else f"V{y2 - half:.1f}")
        parts.append(f"V{y2 + half:.1f}" if i < len(rest) else "")
        x, y = x2, y2
    return "".join(parts)


def _loop(layout: GraphLayout, edge: Edge) -> str:
    """Return an edge back up, at the right of both boxes: a loop binds a name again."""
    (x1, y1), (x2, y2) = (layout.places[name] for name in edge)
    x1, x2 = x1 + _width(edge[0]) / 2, x2 + _width(edge[1]) / 2
    out = max(x1, x2) + CURVE
    return f"M{x1:.1f} {y1:.1f}C{out:.1f} {y1:.1f} {out:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def _head(layout: GraphLayout, edge: Edge) -> str:
    """Return an arrowhead at the upper end: errors spread upwards."""
    x, y = layout.places[edge[0]]
    return f"M{x - 4.5:.1f} {y + HEIGHT / 2 + 8:.1f}h9l-4.5 -7z"
