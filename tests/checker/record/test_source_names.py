"""Which files are run in search of gradients by hand, by their source alone."""

import pytest

from handgrad.checker.record.source_names import may_have_gradients

TRAINED = """
# the gradient comes from autograd
'''
def _backward():
    self.grad += (1 - t**2) * out.grad
'''
for p in model.parameters():
    p.grad = None
loss.backward()
w.data -= 0.1 * w.grad
"""


def test_a_file_trained_by_autograd_is_not_run() -> None:
    assert not may_have_gradients(TRAINED)


@pytest.mark.parametrize(
    "line",
    [
        "dw = x.T @ e",
        "u = 1; h = u * 2; dh = 2 * h",
        "w.grad = x.T @ e",
        "l2_delta = l2_error * slope(l2)",
        "def bprop(self, e): pass",
        "syn0 += x.T.dot(e)",
        "w -= 0.1 * x.t() @ e",
    ],
)
def test_a_file_that_may_compute_gradients_is_run(line: str) -> None:
    assert may_have_gradients(f"{TRAINED}w = 0\n{line}\n")
