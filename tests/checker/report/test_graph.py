"""The graph of a report: the verdicts of the nodes, and the paths of errors."""

import re
from dataclasses import replace

from checker.report.sample import REPORT, Elements, part, row
from handgrad.checker.report.graph import draw_graph, inherited_along, nodes_of
from handgrad.checker.report.report import Report


def states(report: Report) -> dict[str, str]:
    return {name: node.state for name, node in nodes_of(report).items()}


def way(report: Report) -> set[tuple[str, str]]:
    return inherited_along(nodes_of(report), report.edges)


def test_each_node_shows_the_verdict_on_its_gradient() -> None:
    assert states(REPORT) == {
        "W": "inherited",
        "pre": "inherited",
        "h": "root",
        "z": "shape",
        "counts": "exact",
        "loss": "none",
    }


def test_an_error_spreads_from_its_root() -> None:
    assert way(REPORT) == {("W", "pre"), ("pre", "h")}


def test_an_error_passes_nodes_that_a_fused_gradient_skips() -> None:
    rows = tuple(r for r in REPORT.rows if r.node != "pre")
    assert way(replace(REPORT, rows=rows)) == {("W", "pre"), ("pre", "h")}


def test_two_errors_have_two_paths() -> None:
    """`b` inherits from `two` only, through `mid`, which inherits from both."""
    two = {"blame": "inherited", "blamed_on": ("done", "dtwo")}
    report = Report(
        "s.py",
        (
            row("one", "wrong", 8, blame="root"),
            row("two", "wrong", 9, blame="root"),
            row("mid", "wrong", 10, **two),
            row("b", "wrong", 11, blame="inherited", blamed_on=("dtwo",)),
            row("c", "exact", 12),
        ),
        edges=(("b", "mid"), ("c", "mid"), ("mid", "one"), ("mid", "two"), ("b", "one")),
    )
    assert way(report) == {("b", "mid"), ("mid", "one"), ("mid", "two")}


def test_the_elements_of_a_list_are_one_node_with_the_worst_verdict() -> None:
    report = Report(
        "s.py",
        (row("hs[2]", "exact", 8), row("hs[0]", "wrong", 9, blame="root")),
        edges=(("hs[0]", "hs[1]"), ("hs[1]", "hs[2]"), ("hs[2]", "loss"), ("p['W']", "hs[0]")),
    )
    assert states(report) == {"hs": "root", "loss": "none", "p['W']": "none"}
    assert 'class="node root" href="#a-1"' in part("graph", report, {0: "a-0", 1: "a-1"})


def test_no_graph_without_edges() -> None:
    for edges in ((), (("h", "h"), ("h[1]", "h[0]"))):
        report = replace(REPORT, edges=edges)
        assert draw_graph(report, {}) is None
        assert part("graph", report, {}) == ""


def test_the_graph_in_words() -> None:
    html = part("graph", REPORT, {i: f"a-{i}" for i in range(5)})
    assert Elements(html).words == (
        "✗ a line to blame ✗ wrong, inherited ~ right value, wrong shape ✓ exact "
        "no gradient by hand ↑ path of an error "
        "The forward pass, and the verdict on the gradient of each named tensor "
        "W: dW, wrong, inherited, line 11, f32[32,27] ✗ W "
        "pre: dpre, wrong, inherited, line 10, f32[32,27] ✗ pre "
        "h: dh, a line to blame, line 9, f32[32,27] ✗ h "
        "z: dz, right value, wrong shape, line 12, got f32[1,27], expected f32[27] ~ z "
        "counts: dcounts, exact, line 8, f32[32,27] ✓ counts "
        "loss: no gradient by hand loss"
    )
    assert Elements(html).all("href") == ["#a-3", "#a-2", "#a-1", "#a-4", "#a-0"]


def test_a_small_graph_whole() -> None:
    report = Report("s.py", (row("h", "exact", 8),), edges=(("h", "loss"),))
    (svg,) = re.findall("<svg.*</svg>", part("graph", report, {0: "a-0"}))
    assert svg == (
        '<svg class="onepage" role="img" width="76" height="116" viewBox="-8 0 76 116">'
        "<title>The forward pass, and the verdict on the gradient of each named tensor</title>"
        '<path class="edges" d="M29.9 42.0V74.0"></path>'
        '<path class="passed" d=""></path><path class="heads" d=""></path>'
        '<a class="node exact" href="#a-0"><title>h: dh, exact, line 8, f32[32,27]</title>'
        '<rect x="10.9" y="16.0" width="37.9" height="26" rx="13"></rect>'
        '<text x="29.9" y="33.5">✓ h</text></a>'
        '<g class="node none"><title>loss: no gradient by hand</title>'
        '<rect x="0.0" y="74.0" width="59.8" height="26" rx="13"></rect>'
        '<text x="29.9" y="91.5">loss</text></g></svg>'
    )


def test_a_long_name_is_cut_and_kept_in_the_tooltip() -> None:
    long = "attention_scores_before_the_softmax"
    html = part("graph", Report("s.py", (), edges=((long, "loss"),)), {})
    assert f"<title>{long}: no gradient by hand</title>" in html
    assert ">attention_scores_before_t…</text>" in html


def test_a_backward_edge_passes_both_boxes_on_the_right() -> None:
    report = Report("s.py", (), edges=(("x", "a"), ("a", "h"), ("h", "a")))
    html = part("graph", report, {})
    assert "C" in html.split('class="edges" d="')[1].split('"')[0]
