"""The layout of a graph: layers from top to bottom, with few edges that cross.

The method of Sugiyama, Tagawa and Toda (1981). A node's layer is the length of its longest path to
the end, so that a parameter is right above the operation that uses it. Within a layer, nodes are
ordered by the mean place of their neighbours, and then placed so that edges are straight. An edge
over several layers bends at a point in each; edges from one node share these points until they
part.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Name = str | tuple[str, int]
"""A node, or the point at which the edges of a node pass a layer."""
Link = tuple[Name, Name]
"""A part of an edge between adjacent layers, upper end first."""
Edge = tuple[str, str]
GAP, POINT, LAYER = 18.0, 10.0, 58.0
"""Pixels: between two boxes, the width of a point, from one layer to the next."""
STIFF = (1, 2, 8)
"""The weight of a link: between two nodes, a node and a point, two points."""
SWEEPS = 8
"""The number of passes down and up; the best order is kept. More do not improve our graphs."""
MOST_SWEEPS, SETTLED = 40, 0.2
"""The places are improved at most this often, or until none moves by this many pixels."""


@dataclass(frozen=True)
class GraphLayout:
    """The middle of each box, the points of each edge, and the edges that run upwards.

    All lengths are in pixels.
    """

    places: dict[str, tuple[float, float]]
    paths: dict[Edge, list[tuple[float, float]]]
    backward: set[Edge]
    width: float
    height: float


def lay_out(widths: Mapping[str, float], edges: Sequence[Edge]) -> GraphLayout:
    """Place nodes of the given widths, and the edges between them, in pixels."""
    backward = against(widths, edges)
    forward = [edge for edge in edges if edge not in backward]
    depth = depths(widths, forward)
    paths = {edge: _path(edge, depth) for edge in forward}
    links = list(dict.fromkeys(link for path in paths.values() for link in pairwise(path)))
    layers = _layers(widths, paths, depth)
    _order(layers, links)
    x = _straightened(layers, links, widths)
    top = max(depth.values(), default=0)
    at = {name: (x[name], LAYER * (top - _level(name, depth) + 0.5)) for name in x}
    return GraphLayout(
        {name: at[name] for name in widths},
        {edge: [at[point] for point in path] for edge, path in paths.items()},
        backward,
        max((x[name] + width / 2 for name, width in widths.items()), default=0.0),
        LAYER * (top + 1),
    )


def against(nodes: Iterable[str], edges: Sequence[Edge]) -> set[Edge]:
    """Return the edges that close a cycle: a name that a loop binds again is one node."""
    after = successors(edges)
    backward: set[Edge] = set()
    begun: set[str] = set()
    ended: set[str] = set()
    for start in nodes:
        todo = [(start, iter(after.get(start, ())))] if start not in begun else []
        begun.add(start)
        while todo:
            name, rest = todo[-1]
            other = next(rest, None)
            if other is None:
                ended.add(name)
                todo.pop()
            elif other not in begun:
                begun.add(other)
                todo.append((other, iter(after.get(other, ()))))
            elif other not in ended:
                backward.add((name, other))
    return backward


def depths(nodes: Iterable[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the number of edges on each node's longest path to the end; there are no cycles."""
    after, depth = successors(edges), dict[str, int]()
    for start in nodes:
        todo = [start]
        while todo:
            ahead = [name for name in after.get(todo[-1], ()) if name not in depth]
            if ahead:
                todo += ahead
            else:
                name = todo.pop()
                depth[name] = 1 + max((depth[other] for other in after.get(name, ())), default=-1)
    return depth


def successors(edges: Iterable[Edge]) -> dict[str, list[str]]:
    """Return the ends of the edges that start at each node."""
    after: dict[str, list[str]] = {}
    for one, other in edges:
        after.setdefault(one, []).append(other)
    return after


def _level(name: Name, depth: Mapping[str, int]) -> int:
    return depth[name] if isinstance(name, str) else name[1]


def _path(edge: Edge, depth: Mapping[str, int]) -> list[Name]:
    """Return an edge as its upper end, a point in each layer that it passes, and its lower end."""
    one, other = edge
    return [one, *((one, level) for level in range(depth[one] - 1, depth[other], -1)), other]


def _layers(
    nodes: Iterable[str], paths: Mapping[Edge, list[Name]], depth: Mapping[str, int]
) -> list[list[Name]]:
    """Return the layers from top to bottom, each in the order of its names in the edges."""
    names = dict.fromkeys([*(name for path in paths.values() for name in path), *nodes])
    layers: list[list[Name]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in names:
        layers[-1 - _level(name, depth)].append(name)
    return layers


Neighbours = dict[Name, list[Name]]


def _neighbours(links: Iterable[Link]) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours above and below each node and point."""
    above: Neighbours = {}
    below: Neighbours = {}
    for upper, lower in links:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _order(layers: list[list[Name]], links: Sequence[Link]) -> None:
    """Sort each layer, in place."""
    above, below = _neighbours(links)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(2 * SWEEPS):
        beside, order = (above, layers) if sweep % 2 == 0 else (below, layers[::-1])
        for fixed, layer in pairwise(order):
            place = {name: i for i, name in enumerate(fixed)}
            current = {name: i * len(fixed) / len(layer) for i, name in enumerate(layer)}
            layer.sort(key=_mean_place(beside, place, current))
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
        if not fewest:
            break
    layers[:] = best


def _mean_place(
    beside: Neighbours, place: Mapping[Name, int], current: Mapping[Name, float]
) -> Callable[[Name], float]:
    def mean(name: Name) -> float:
        places = [place[other] for other in beside.get(name, ())]
        return sum(places) / len(places) if places else current[name]

    return mean


def _crossings(layers: Sequence[Sequence[Name]], below: Neighbours) -> int:
    count = 0
    for upper, lower in pairwise(layers):
        place = {name: i for i, name in enumerate(lower)}
        ends_so_far: list[int] = []
        for name in upper:
            ends = [place[other] for other in below.get(name, ())]
            count += sum(len(ends_so_far) - bisect_right(ends_so_far, end) for end in ends)
            for end in ends:
                insort(ends_so_far, end)
    return count


def _straightened(
    layers: Sequence[Sequence[Name]],
    links: Sequence[Link],
    widths: Mapping[str, float],
) -> dict[Name, float]:
    """Return the middles that keep links upright, first of all those through points.

    Each layer minimises the weighted sum of the squared horizontal lengths of its links.
    """
    width = {n: widths[n] if isinstance(n, str) else POINT for layer in layers for n in layer}
    pulls: dict[Name, list[tuple[Name, int]]] = {name: [] for name in width}
    for upper, lower in links:
        pull = STIFF[isinstance(upper, tuple) + isinstance(lower, tuple)]
        pulls[upper].append((lower, pull))
        pulls[lower].append((upper, pull))
    x: dict[Name, float] = {}
    for layer in layers:
        x |= spaced(layer, dict.fromkeys(layer, (0.0, 1)), width)
    for sweep in range(MOST_SWEEPS):
        before = dict(x)
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            x |= spaced(layer, {name: _wanted(name, pulls[name], x) for name in layer}, width)
        if all(abs(x[name] - before[name]) < SETTLED for name in x):
            break
    left = min((x[name] - width[name] / 2 for name in x), default=0.0)
    return {name: middle - left for name, middle in x.items()}


def _wanted(
    name: Name, pulls: Sequence[tuple[Name, int]], x: Mapping[Name, float]
) -> tuple[float, int]:
    """Return the weighted mean place of a name's neighbours, and the total weight."""
    weight = sum(pull for _, pull in pulls)
    if not weight:
        return x[name], 1
    return sum(pull * x[other] for other, pull in pulls) / weight, weight


def spaced(
    layer: Sequence[Name],
    wanted: Mapping[Name, tuple[float, int]],
    width: Mapping[Name, float],
) -> dict[Name, float]:
    """Return the places nearest to those wanted (in weighted squares) without an overlap.

    `wanted` has a place and a weight. The order does not change. This is isotonic regression by
    pooling: nodes that would overlap move to their common mean.
    """
    offsets, at = [], 0.0
    for i, name in enumerate(layer):
        at += (width[layer[i - 1]] + width[name]) / 2 + GAP if i else 0.0
        offsets.append(at)
    pools: list[tuple[float, int, int]] = []  # mean, weight, how many
    for name, offset in zip(layer, offsets, strict=True):
        mean, weight = wanted[name][0] - offset, wanted[name][1]
        count = 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (other * heavy + mean * weight) / (heavy + weight)
            weight, count = weight + heavy, count + many
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return {name: mean + off for name, mean, off in zip(layer, means, offsets, strict=True)}
