"""A network unrolled over time: each version of a name graded, each fault named where it is."""

import pytest

RIGHT = {"exact", "rounding"}

RNN = """
import torch
g = torch.Generator().manual_seed(1)
Wx = (torch.randn(6, 8, generator=g) * 0.3).requires_grad_()
Wh = (torch.randn(8, 8, generator=g) * 0.3).requires_grad_()
X = torch.randn(5, 4, 6, generator=g)
h = torch.zeros(4, 8)
hs = [h]
for t in range(5):
    a = X[t] @ Wx + h @ Wh
    h = torch.tanh(a)
    hs.append(h)
loss = (h**2).mean()
loss.backward()
dWx, dWh = torch.zeros_like(Wx), torch.zeros_like(Wh)
dh = 2 * h / h.numel()
for t in reversed(range(5)):
    da = (1 - hs[t + 1] ** 2) * dh
    dWx += X[t].T @ da
    dWh = dWh + hs[t].T @ da
    dh = da @ Wh.T
"""


def test_a_network_unrolled_over_time_is_graded_version_by_version(check):
    rows = check(RNN).rows
    assert {(r.hand, r.verdict in RIGHT, r.blame) for r in rows} == {
        (name, True, None) for name in ("dWx", "dWh", "dh", "da")
    }


@pytest.mark.parametrize(
    ("old", "new", "root"),
    [
        ("da @ Wh.T", "da @ Wh", ("dh", 21)),
        ("** 2) * dh", "** 3) * dh", ("da", 18)),
        ("dWx += X[t].T", "dWx += 2 * X[t].T", ("dWx", 19)),
        ("2 * h /", "3 * h /", ("dh", 16)),
    ],
)
def test_a_fault_in_a_loop_over_time_is_named(check, old, new, root):
    rows = check(RNN.replace(old, new)).rows
    assert {(r.hand, r.place.line) for r in rows if r.blame == "root"} == {root}
