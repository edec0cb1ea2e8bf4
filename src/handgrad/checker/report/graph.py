"""The graph of a report: the forward pass, each named tensor with the verdict on its gradient.

Forward runs down, gradients run back up; the edges along which an error went up are drawn heavy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handgrad.checker.records import ReportData, Row
from handgrad.checker.report import words
from handgrad.checker.report.layout import Edge, Layout, lay_out
from handgrad.checker.report.markup import Markup, element
from handgrad.checker.report.text import MARKS

CHARACTER, PADDING, HEIGHT, MARGIN = 7.3, 16.0, 26.0, 8.0
"""Pixels: a character of the labels, around them, a box's height, around it all."""
LONGEST = 26
"""Characters of a name that are shown; the whole of it is in the tooltip."""
CURVE = 22.0
ONE_PAGE = 1800.0
"""Pixels: a graph no taller than this is printed on one page, and still legible."""
STATES = {
    "root": "a line to blame",
    "inherited": "wrong, inherited",
    "wrong": "wrong",
    "shape": "right value, wrong shape",
    "exact": "exact",
    "rounding": "right but for rounding",
    "missing": "not written yet",
    "none": "no gradient of its own by hand",
}
"""What a node is drawn as, the worst first: where a name stands for several, the worst is shown."""


@dataclass(frozen=True)
class Node:
    """One named tensor. `row` is the gradient that is shown for it, by its place in the report."""

    name: str
    state: str
    row: int | None


def nodes_of(report: ReportData) -> dict[str, Node]:
    """Return what is drawn: each name in the edges, the elements of a list as one."""
    names = dict.fromkeys(_plain(name) for edge in report.edges for name in edge)
    nodes = {name: Node(name, "none", None) for name in names}
    order = list(STATES)
    for i, row in enumerate(report.rows):
        name, state = _plain(row.node), state_of(row)
        if name in nodes and order.index(state) < order.index(nodes[name].state):
            nodes[name] = Node(name, state, i)
    return nodes


def state_of(row: Row) -> str:
    """What of STATES a gradient is."""
    if row.blame == "root":
        return "root"
    return "inherited" if row.verdict == "wrong" and row.blame == "inherited" else row.verdict


def graph(report: ReportData, targets: Mapping[int, str]) -> Markup | None:
    """The graph with its legend, None where there are no edges.

    `targets` are the anchors of the rows, by their place in the report.
    """
    nodes = nodes_of(report)
    edges = list(dict.fromkeys((_plain(a), _plain(b)) for a, b in report.edges))
    edges = [(one, other) for one, other in edges if one != other]
    if not edges:
        return None
    layout = lay_out({name: _width(name) for name in nodes}, edges)
    passed = inherited_along(report, nodes, edges)
    width, height = layout.width + 2 * MARGIN, layout.height
    lines = {wrong: [e for e in edges if (e in passed) == wrong] for wrong in (False, True)}
    drawing = element(
        "svg",
        element("title", "The forward pass, and the verdict on the gradient of each named tensor"),
        element("path", class_="edges", d="".join(_way(layout, e) for e in lines[False])),
        element("path", class_="passed", d="".join(_way(layout, e) for e in lines[True])),
        element("path", class_="heads", d="".join(_head(layout, e) for e in lines[True])),
        *(_box(node, layout, report, targets) for node in nodes.values()),
        class_="onepage" if height < ONE_PAGE else None,
        role="img",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        viewBox=f"{-MARGIN:.0f} 0 {width:.0f} {height:.0f}",
    )
    scroll = element("div", drawing, class_="scroll", tabindex="0")
    return element("div", _legend(nodes, bool(passed)), scroll, class_="graph")


def inherited_along(
    report: ReportData, nodes: Mapping[str, Node], edges: Sequence[Edge]
) -> set[Edge]:
    """Return the edges along which an error went up: to one that inherits, from where it has it.

    A fused gradient passes over nodes; so does the way of the error.
    """
    after: dict[str, list[str]] = {}
    for one, other in edges:
        after.setdefault(one, []).append(other)
    found: set[Edge] = set()
    for node in nodes.values():
        row = None if node.row is None else report.rows[node.row]
        if row is not None and row.blame == "inherited":
            _search(node.name, frozenset(row.blamed_on), report, nodes, after, found)
    return found


def _search(
    start: str,
    roots: frozenset[str],
    report: ReportData,
    nodes: Mapping[str, Node],
    after: Mapping[str, Sequence[str]],
    found: set[Edge],
) -> None:
    ways: list[list[str]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        for name in after.get(way[-1], ()):
            if _origins(nodes[name], report) & roots:
                found.update(zip(way, [*way[1:], name], strict=True))
            elif nodes[name].row is None and name not in seen:
                seen.add(name)
                ways.append([*way, name])


def _origins(node: Node, report: ReportData) -> set[str]:
    """The lines to blame whose error this node's gradient has."""
    row = None if node.row is None else report.rows[node.row]
    if row is None or row.blame is None:
        return set()
    return {row.hand or ""} if row.blame == "root" else set(row.blamed_on)


def _plain(name: str) -> str:
    """`hs` for `hs[3]`: a loop over time would draw every step of it."""
    return re.sub(r"\[-?\d+\]$", "", name)


def _label(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _width(name: str) -> float:
    wide = sum(1 + (ord(character) >= 0x1100) for character in _label(name))
    return CHARACTER * (wide + 2) + PADDING


def _box(node: Node, layout: Layout, report: ReportData, targets: Mapping[int, str]) -> Markup:
    x, y = layout.places[node.name]
    width = _width(node.name)
    row = None if node.row is None else report.rows[node.row]
    mark = "" if row is None else f"{MARKS[row.verdict]} "
    round_ = node.state in ("exact", "rounding", "missing", "none")
    shape = element(
        "rect",
        x=f"{x - width / 2:.1f}",
        y=f"{y - HEIGHT / 2:.1f}",
        width=f"{width:.1f}",
        height=f"{HEIGHT:.0f}",
        rx=f"{HEIGHT / 2:.0f}" if round_ else "2",
    )
    label = element("text", mark, _label(node.name), x=f"{x:.1f}", y=f"{y + 4.5:.1f}")
    parts = (element("title", _tooltip(node, row)), shape, label)
    if node.row is None or node.row not in targets:
        return element("g", *parts, class_=f"node {node.state}")
    return element("a", *parts, class_=f"node {node.state}", href=f"#{targets[node.row]}")


def _tooltip(node: Node, row: Row | None) -> str:
    if row is None:
        return f"{node.name}: {STATES[node.state]}"
    facts = (words.name(row), STATES[node.state], words.places(row), words.shapes(row))
    return f"{node.name}: {', '.join(fact for fact in facts if fact)}"


def _way(layout: Layout, edge: Edge) -> str:
    """The edge from the lower side of its box to the upper side of the other."""
    if edge in layout.backward:
        return _loop(layout, edge)
    (x, y), *rest = layout.ways[edge]
    half, parts = HEIGHT / 2, [f"M{x:.1f} {y + HEIGHT / 2:.1f}"]
    for i, (x2, y2) in enumerate(rest, 1):
        middle = (y + y2) / 2
        bend = f"C{x:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2 - half:.1f}"
        parts.append(bend if abs(x2 - x) > 0.5 else f"V{y2 - half:.1f}")
        parts.append(f"V{y2 + half:.1f}" if i < len(rest) else "")
        x, y = x2, y2
    return "".join(parts)


def _loop(layout: Layout, edge: Edge) -> str:
    """Back up at the right of both boxes, for a name that is bound again in a loop."""
    (x1, y1), (x2, y2) = (layout.places[name] for name in edge)
    x1, x2 = x1 + _width(edge[0]) / 2, x2 + _width(edge[1]) / 2
    out = max(x1, x2) + CURVE
    return f"M{x1:.1f} {y1:.1f}C{out:.1f} {y1:.1f} {out:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def _head(layout: Layout, edge: Edge) -> str:
    """An arrow's head at the upper end: errors go up."""
    x, y = layout.places[edge[0]]
    return f"M{x - 4.5:.1f} {y + HEIGHT / 2 + 8:.1f}h9l-4.5 -7z"


def _legend(nodes: Mapping[str, Node], passed: bool) -> Markup:
    states = {node.state for node in nodes.values()}
    marks = {**MARKS, "root": MARKS["wrong"], "inherited": MARKS["wrong"], "none": ""}
    keys = [
        element("li", element("span", marks[state] or "  ", class_=f"key {state}"), said)
        for state, said in STATES.items()
        if state in states
    ]
    way = element("li", element("span", "↑", class_="key up"), "the way of an error")
    return element("ul", *keys, *([way] if passed else []), class_="legend")
