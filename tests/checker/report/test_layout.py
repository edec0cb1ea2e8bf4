"""The layout of a graph."""

import random
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from handgrad.checker.report.layout import GAP, LAYER, against, depths, lay_out, spaced

Edge = tuple[str, str]


def drawn(edges: list[Edge], width: float = 60.0):
    names = dict.fromkeys(name for edge in edges for name in edge)
    return lay_out(dict.fromkeys(names, width), edges)


CHAIN = [(f"n{i}", f"n{i + 1}") for i in range(199)]
RESIDUAL = [*CHAIN, *((f"n{i}", f"n{i + 3}") for i in range(0, 196, 3))]
EVERYWHERE = [*CHAIN, *(("W", f"n{i}") for i in range(1, 199, 5))]


@pytest.mark.parametrize("edges", [CHAIN, RESIDUAL, EVERYWHERE], ids=["chain", "residual", "tied"])
def test_a_deep_graph_is_a_column(edges: list[Edge]) -> None:
    layout = drawn(edges)
    assert layout.width < 5 * 60
    assert layout.height == 200 * LAYER
    ys = [layout.places[f"n{i}"][1] for i in range(200)]
    assert all(below - above == LAYER for above, below in pairwise(ys))


def test_a_chain_is_straight() -> None:
    assert {x for x, _ in drawn(CHAIN).places.values()} == {30.0}


def test_a_parameter_is_in_the_layer_above_its_reader() -> None:
    layout = drawn([("x", "a"), ("a", "b"), ("b", "c"), ("W", "c"), ("c", "loss")])
    assert layout.places["W"][1] == layout.places["b"][1]


def test_edges_that_need_not_cross_do_not() -> None:
    """In the order of their names they would cross."""
    edges = [("a", "z"), ("b", "y"), ("c", "x"), ("x", "l"), ("y", "l"), ("z", "l")]
    at = {name: x for name, (x, _) in drawn(edges).places.items()}
    order = sorted("abc", key=at.__getitem__)
    assert [dict(edges)[name] for name in order] == sorted("xyz", key=at.__getitem__)


def test_a_cycle_is_broken_at_the_edge_that_closes_it() -> None:
    edges = [("x", "a"), ("a", "h"), ("h", "a"), ("h", "loss")]
    assert against(["x", "a", "h", "loss"], edges) == {("h", "a")}
    layout = drawn(edges)
    assert layout.backward == {("h", "a")}
    assert ("h", "a") not in layout.paths


def test_nodes_of_a_layer_do_not_overlap() -> None:
    edges = [(f"w{i}", "sum") for i in range(100)]
    layout = drawn(edges)
    assert layout.width == pytest.approx(100 * 60 + 99 * GAP)
    middle = sum(layout.places[f"w{i}"][0] for i in range(100)) / 100
    assert layout.places["sum"][0] == pytest.approx(middle)


def graphs() -> st.SearchStrategy[list[Edge]]:
    names = st.integers(0, 30).map(lambda i: f"n{i}")
    pairs = st.tuples(names, names).filter(lambda edge: edge[0] != edge[1])
    return st.lists(pairs, min_size=1, max_size=80, unique=True)


@settings(max_examples=60)
@given(graphs(), st.randoms(use_true_random=False))
def test_any_graph_runs_down_and_nothing_overlaps(edges: list[Edge], rng: random.Random) -> None:
    names = dict.fromkeys(name for edge in edges for name in edge)
    widths = {name: rng.uniform(20, 200) for name in names}
    layout = lay_out(widths, edges)
    assert set(layout.places) == set(names)
    assert set(layout.paths) | layout.backward == set(edges)
    layers: dict[float, list[tuple[float, str]]] = {}
    for name, (x, y) in layout.places.items():
        layers.setdefault(y, []).append((x, name))
        assert x - widths[name] / 2 >= -1e-6
        assert x + widths[name] / 2 <= layout.width + 1e-6
        assert 0 < y < layout.height
    for layer in layers.values():
        for (x, name), (x2, name2) in pairwise(sorted(layer)):
            assert x2 - x >= (widths[name] + widths[name2]) / 2 + GAP - 1e-6
    for (one, other), way in layout.paths.items():
        assert (way[0], way[-1]) == (layout.places[one], layout.places[other])
        assert all(y2 - y == LAYER for (_, y), (_, y2) in pairwise(way))
    assert lay_out(widths, edges) == layout


def test_depths_are_the_longest_paths_to_the_end() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    assert depths("abcd", edges) == {"a": 2, "b": 1, "c": 0, "d": 1}


def test_nodes_that_would_overlap_share_the_space() -> None:
    """Two nodes want the same place: both move, the heavier one less."""
    width = dict.fromkeys("abc", 22.0)
    assert spaced("abc", {"a": (0.0, 1), "b": (0.0, 1), "c": (500.0, 1)}, width) == {
        "a": -20.0, "b": 20.0, "c": 500.0,
    }  # fmt: skip
    assert spaced("ab", {"a": (0.0, 3), "b": (0.0, 1)}, width) == {"a": -10.0, "b": 30.0}
