"""What the proving ground found in the checker once, so that it stays corrected."""

import ast

import pytest
import torch
from benchmarks.proving.grade import alarms, blamed, check

from handgrad.checker.session import Session

TIED = """\
g = torch.Generator().manual_seed(1)
C = torch.randn((7, 5), generator=g).requires_grad_()
X = torch.randint(0, 7, (12,), generator=g)
emb = C[X]
h = torch.tanh(emb)
logits = h @ C.T
loss = (logits**2).mean()
loss.backward()
dlogits = 2 * logits / logits.numel()
dh = dlogits @ C
demb = (1 - h**2) * dh
dC = dlogits.T @ h
"""


@pytest.mark.parametrize(
    "last",
    [
        "dC.index_add_(0, X, demb)",
        "dC.index_put_((X,), demb, accumulate=True)",
        "torch.add(dC, torch.zeros_like(C).index_add_(0, X, demb), out=dC)",
        "dC.view(-1).add_(torch.zeros_like(C).index_add_(0, X, demb).view(-1))",
    ],
)
@pytest.mark.parametrize("after", ["", "print('')\n"])
def test_a_call_in_place_is_a_statement_of_its_gradient(last: str, after: str) -> None:
    """Weight tying (a view of a leaf in the forward pass), and the file may end in the call."""
    source = TIED + last + "\n" + after
    if "out=" in last:
        source = source.replace(
            "loss.backward()\n", "loss.backward()\ntorch.set_grad_enabled(False)\n"
        )
    try:
        report = check(source, {"torch": torch})
    finally:
        torch.set_grad_enabled(True)
    assert alarms(report, ["dlogits", "dh", "demb", "dC"]) == []


def test_the_call_in_place_is_the_line_to_blame() -> None:
    report = check(TIED + "dC.index_add_(0, X, 2 * demb)\n", {"torch": torch})
    assert blamed(report) == {"dC": {13}}


def test_a_last_expression_is_still_the_one_that_a_notebook_shows() -> None:
    session, source = Session(), TIED + "dC.index_add_(0, X, demb)\n"
    tree = session.transform(ast.parse(source), 1, source)
    assert isinstance(tree.body[-1], ast.Expr)
    names = {"torch": torch, "__handgrad__": session.hook}
    with session.recording():
        exec(compile(ast.Module(tree.body[:-1], []), "", "exec"), names)
        shown = eval(compile(ast.Expression(tree.body[-1].value), "", "eval"), names)
    assert shown is names["dC"]
    assert blamed(session.finish("notebook.ipynb")) == {}


def test_gradients_that_begin_as_constants_are_not_right_by_luck() -> None:
    source = """\
g = torch.Generator().manual_seed(1)
W = torch.randn((4, 3), generator=g).requires_grad_()
b = torch.randn(3, generator=g).requires_grad_()
Y = torch.randint(0, 3, (6,), generator=g)
out = torch.ones(6, 4) @ W + b
loss = -out[torch.arange(6), Y].mean()
loss.backward()
dout = -torch.nn.functional.one_hot(Y, 3) / 6
db = dout.sum(0)
"""
    assert alarms(check(source, {"torch": torch}), ["dout", "db"]) == []


def test_a_branch_added_to_what_is_called_clip_is_no_clipping() -> None:
    source = """\
g = torch.Generator().manual_seed(1)
W = torch.randn((4, 3), generator=g).requires_grad_()
clip = W.clamp(-1, 1)
out = clip * clip.mean(0)
loss = (out**2).mean()
loss.backward()
dout = 2 * out / out.numel()
dclip = dout * clip.mean(0)
dclip += (dout * clip).sum(0) / 4
dW = dclip * ((W >= -1) & (W <= 1))
"""
    assert alarms(check(source, {"torch": torch}), ["dout", "dclip", "dW"]) == []
