"""The edges and the sources that a report carries."""

import json
from dataclasses import asdict

from handgrad.checker.records import Listing
from handgrad.checker.report.report import Report
from handgrad.checker.run.wire import unpack

CODE = """
import torch
g = torch.Generator().manual_seed(1)
x = torch.randn(8, 4, generator=g)
W = torch.randn(4, 6, generator=g, requires_grad=True)
b = torch.zeros(6, requires_grad=True)
a = x @ W + b
same = a
h = torch.tanh(a)
skip = h + a
loss = (skip**2).mean()
loss.backward()
dskip = 2 * skip / skip.numel()
da = (1 - h**2) * dskip + dskip
dW = x.T @ da
"""
EDGES = (
    ("W", "a"),
    ("b", "a"),
    ("a", "h"),
    ("a", "skip"),
    ("h", "skip"),
    ("skip", "loss"),
)


def test_edges_are_what_is_computed_directly_from_what(check):
    report = check(CODE)
    assert report.edges == EDGES
    assert unpack(Report, json.loads(json.dumps(asdict(report)))) == report


def test_a_tensor_of_two_names_has_the_one_that_its_gradient_is_shown_under(check):
    edges = check(CODE.replace("da =", "dsame =").replace("@ da", "@ dsame")).edges
    assert edges == tuple(tuple({"a": "same"}.get(n, n) for n in edge) for edge in EDGES)


LOOP = """
import torch
g = torch.Generator().manual_seed(1)
x = torch.randn(8, 4, generator=g)
W = torch.randn(4, 4, generator=g, requires_grad=True)
for step in range(3):
    h = x
    for k in range(2):
        h = torch.tanh(h @ W)
    loss = (h**2).mean()
    W.grad = None
    loss.backward()
    dh = 2 * h / h.numel()
"""


def test_a_loop_draws_its_names_once_and_no_edge_to_itself(check):
    assert check(LOOP).edges == (("W", "h"), ("x", "h"), ("h", "loss"))


def test_listings_are_the_cells_that_gradients_stand_in(check):
    forward, backward = CODE.split("dskip =")
    report = check([forward, f"dskip ={backward}", "print('done')"])
    assert report.listings == (Listing(2, f"dskip ={backward}"),)
    assert check(CODE).listings == (Listing(None, CODE),)
