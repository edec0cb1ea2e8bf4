"""`watch` and `check`: the same grades without a file."""

import pytest
import torch

from handgrad.checker.api import check, watch
from handgrad.errors import CheckError


def batchnorm(x, gamma, beta):
    mean = x.mean(0)
    centred = x - mean
    var = (centred**2).mean(0)
    rstd = (var + 1e-5) ** -0.5
    xhat = centred * rstd
    out = gamma * xhat + beta
    return out, (xhat, gamma, rstd)


def batchnorm_backward(dout, cache):
    xhat, gamma, rstd = cache
    n = xhat.shape[0]
    dgamma = (dout * xhat).sum(0)
    dbeta = dout.sum(0)
    dxhat = dout * gamma
    dx = rstd / n * (n * dxhat - dxhat.sum(0) - xhat * (dxhat * xhat).sum(0))
    return dx, dgamma, dbeta


def batchnorm_backward_off(dout, cache):
    xhat, gamma, rstd = cache
    n = xhat.shape[0]
    dgamma = (dout * xhat).sum(0)
    dbeta = dout.mean(0)
    dxhat = dout * gamma
    dx = rstd / n * (n * dxhat - dxhat.sum(0) - xhat * (dxhat * xhat).sum(0))
    return dx, dgamma, dbeta


def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


INPUTS = {"x": draw(8, 3), "gamma": draw(3), "beta": draw(3)}


@pytest.mark.parametrize("inputs", [INPUTS, tuple(INPUTS.values())], ids=["by name", "in order"])
def test_functions_that_are_right(inputs):
    report = check(batchnorm, batchnorm_backward, inputs)
    assert {row.hand for row in report.rows} == {"dgamma", "dbeta", "dxhat", "dx"}
    assert {row.verdict for row in report.rows} <= {"exact", "rounding"}
    assert report.ok


def test_functions_with_a_line_to_blame():
    report = check(batchnorm, batchnorm_backward_off, INPUTS)
    (row,) = [row for row in report.rows if row.verdict == "wrong"]
    assert (row.hand, row.blame, row.statement) == ("dbeta", "root", "dbeta = dout.mean(0)")
    assert row.place.line == batchnorm_backward_off.__code__.co_firstlineno + 4


def test_the_inputs_stay_as_they_were():
    x = draw(8, 3)
    check(batchnorm, batchnorm_backward, (x, draw(3), draw(3)))
    assert torch.equal(x, draw(8, 3))
    assert not x.requires_grad


def doubled(x):
    x.data.mul_(2)
    out = (x**2).sum()
    return out, x


def doubled_backward(x):
    dx = 2 * x
    return dx


def test_a_forward_that_writes_to_its_input_writes_to_a_copy():
    x = draw(3)
    assert check(doubled, doubled_backward, (x,)).ok
    assert torch.equal(x, draw(3))


def test_a_function_without_source_is_refused_in_one_line():
    space = {}
    exec("def forward(x):\n    return (x**2).sum()", space)
    with pytest.raises(CheckError) as refusal:
        check(space["forward"], batchnorm_backward, (draw(3),))
    assert str(refusal.value) == (
        "forward has no source code to read its steps from: define it with def, in a file or cell"
    )


def test_a_forward_that_returns_no_tensor_is_refused_in_one_line():
    def forward(x):
        return 3

    with pytest.raises(CheckError) as refusal:
        check(forward, batchnorm_backward, (draw(3),))
    assert str(refusal.value) == "forward must return a floating-point tensor first, not 3"


def product(x, W):
    out = x @ W
    return out


def test_watch_names_the_line_to_blame():
    x, W = draw(5, 4), draw(4, 3).requires_grad_()
    with watch() as w:
        y = product(x, W)
        h = torch.tanh(
            y,
        )
        loss = (h**2).mean()
        loss.backward()
        dh = 2 * h / h.numel()
        dy = (1 - h**2) * dh * 2
        dW = torch.zeros_like(W)
        for i in range(5):
            dW += torch.outer(x[i], dy[i])
    report = w.check()
    rows = {row.hand: row for row in report.rows}
    assert {name: (row.verdict, row.blame) for name, row in rows.items()} == {
        "dh": ("rounding", None),
        "dy": ("wrong", "root"),
        "dW": ("wrong", "inherited"),
    }
    assert rows["dy"].statement == "dy = (1 - h**2) * dh * 2"
    assert rows["dW"].blamed_on == ("dy",)


def test_watch_grades_inside_its_block_too():
    W = draw(4, 3).requires_grad_()
    with watch({"slope": "W"}) as w:
        loss = (W**3).sum()
        loss.backward()
        slope = 3 * W**2
        report = w.check()
    assert [(row.hand, row.node) for row in report.rows] == [("slope", "W")]
    assert slope.shape == (4, 3)
    assert report.ok


def test_watch_without_a_loss_is_refused_in_one_line():
    with watch() as w:
        W = draw(4, 3)
        dW = 2 * W
    with pytest.raises(CheckError) as refusal:
        w.check()
    assert str(refusal.value).endswith(
        "test_api.py: nothing to check: no loss was computed from named tensors"
    )
    assert dW.shape == W.shape


def layer(x, W):
    h = torch.tanh(x @ W)
    return h, x, W, h


def layer_backward(dout, x, W, h):
    da = (1 - h**2) * dout
    return da @ W.T, x.T @ da


def layer_backward_off(dout, x, W, h):
    da = (1 - h**2) * dout
    return da @ W.T, x.T @ dout


LAYER = (draw(6, 4), draw(4, 3))


def test_what_is_returned_without_a_name_is_graded_in_the_order_of_the_inputs():
    report = check(layer, layer_backward, LAYER)
    assert [(r.hand, r.verdict in ("exact", "rounding")) for r in report.rows] == [
        ("da", True),
        ("dx", True),
        ("dW", True),
    ]


def test_what_is_returned_without_a_name_is_in_the_order_of_the_parameters():
    x, W = LAYER
    report = check(layer, layer_backward, {"W": W, "x": x})
    assert {row.hand: row.verdict in ("exact", "rounding") for row in report.rows} == {
        "da": True,
        "dx": True,
        "dW": True,
    }


def test_a_wrong_gradient_returned_without_a_name_is_blamed_on_the_return():
    report = check(layer, layer_backward_off, LAYER)
    assert {r.hand: r.verdict for r in report.rows if r.verdict == "wrong"} == {"dW": "wrong"}
    (row,) = [row for row in report.rows if row.verdict == "wrong"]
    assert row.statement == "return da @ W.T, x.T @ dout"
    assert row.place.line == layer_backward_off.__code__.co_firstlineno + 2


def test_a_gradient_that_is_not_returned_for_an_index_is_not_missed():
    def lookup(indices, C):
        emb = C[indices]
        return emb, indices, C

    def lookup_backward(dout, indices, C):
        return torch.zeros_like(C).index_add_(0, indices, dout)

    report = check(lookup, lookup_backward, (torch.tensor([0, 2, 2]), draw(4, 3)))
    assert [(r.hand, r.verdict) for r in report.rows] == [("dC", "exact")]
