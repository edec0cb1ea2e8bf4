"""Functions of scipy.special."""

import pytest

pytest.importorskip("scipy", reason="scipy is no dependency of handgrad")

SOFTMAX = """
import numpy as np
from scipy import special
rng = np.random.default_rng(9)
X, W, U = rng.normal(size=(7, 3)), rng.normal(size=(3, 5)), rng.normal(size=(5, 4))
y = rng.integers(4, size=7)
z = X @ W
g = special.softmax(z, axis=1)
s = g @ U
lp = special.log_softmax(s, axis=-1)
loss = -lp[np.arange(7), y].mean()
ds = (np.exp(lp) - np.eye(4)[y]) / 7
dU = g.T @ ds
dg = ds @ U.T
dz = g * (dg - (dg * g).sum(1, keepdims=True))
dW = X.T @ dz
"""
LOGSUMEXP = """
import numpy as np
from scipy.special import expit, logsumexp
rng = np.random.default_rng(9)
X, W, U = rng.normal(size=(7, 3)), rng.normal(size=(3, 5)), rng.normal(size=(5, 4))
y = rng.integers(4, size=7)
g = expit(X @ W)
s = g @ U
loss = np.mean(logsumexp(s, axis=1) - s[np.arange(7), y])
p = np.exp(s - logsumexp(s, axis=1, keepdims=True))
ds = (p - np.eye(4)[y]) / 7
dU = g.T @ ds
dg = ds @ U.T
dW = X.T @ (dg * g * (1 - g))
"""
WHOLE = """
import numpy as np
from scipy.special import logsumexp
x = np.random.default_rng(2).normal(size=(3, 4))
z = x * 2
loss = logsumexp(z)
dz = np.exp(z) / np.exp(z).sum()
dx = 2 * dz
"""
PROGRAMS = {"softmax": (SOFTMAX, 5), "logsumexp": (LOGSUMEXP, 4), "of all": (WHOLE, 2)}


@pytest.mark.parametrize(("program", "n"), PROGRAMS.values(), ids=PROGRAMS)
def test_all_is_right(check, program, n):
    rows = [row for row in check(program).rows if row.hand]
    assert len(rows) == n
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize(
    ("program", "was", "now", "hand", "cause"),
    [
        (SOFTMAX, "g * (dg - (dg * g).sum(1, keepdims=True))", "g * dg", "dz", "HG123"),
        (LOGSUMEXP, "(p - np.eye(4)[y]) / 7", "p - np.eye(4)[y]", "ds", "HG120"),
    ],
)
def test_the_mistake_is_named(check, program, was, now, hand, cause):
    rows = check(program.replace(was, now)).rows
    assert [(row.hand, row.cause) for row in rows if row.blame == "root"] == [(hand, cause)]
