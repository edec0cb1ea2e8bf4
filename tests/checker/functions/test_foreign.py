"""Pairs of functions in torch and NumPy, and functions in NumPy or JAX that are refused."""

import numpy as np
import pytest
import torch

from handgrad import HandgradError, check_function


def np_forward(x, weight):
    e = np.exp(x - x.max(-1, keepdims=True, initial=-1e9))
    y = e / e.sum(-1, keepdims=True)
    return y * weight, (y, weight)


def np_backward(dout, cache):
    y, weight = cache
    dy = dout * weight
    return y * (dy - (dy * y).sum(-1, keepdims=True)), (dout * y).sum(0)


def np_wrong(dout, cache):
    dx, dweight = np_backward(dout, cache)
    return dx, 2 * dweight


def reference(x, weight):
    return x.softmax(-1) * weight


INPUTS = {"x": "B C", "weight": "C"}


def test_a_pair_in_numpy():
    report = check_function(
        (np_forward, np_backward), reference, INPUTS, dtypes=("float64", "float32", "bfloat16")
    )
    assert report.ok, str(report)
    assert "bfloat16 is not supported: TypeError: NumPy has no dtype bfloat16" in report.notes
    assert report.function == "np_forward"
    assert "float32" in report.dtypes
    wide = ("float64", "float32")
    (failure,) = check_function((np_forward, np_wrong), reference, INPUTS, dtypes=wide).failures
    assert (failure.quantities, failure.code) == (("gradient of weight",), "HG162")
    assert not check_function((np_forward, np_wrong), None, INPUTS).ok


def test_a_pair_in_torch():
    def forward(x):
        y = torch.tanh(x)
        return y, y

    assert check_function((forward, lambda dout, y: dout * (1 - y * y)), torch.tanh, {"x": "B"}).ok
    assert not check_function((forward, lambda dout, y: dout * (1 - y)), torch.tanh, {"x": "B"}).ok


NUMPY = "the function is written in NumPy, which autograd cannot differentiate: pass a pair (forward, backward): forward(*inputs) returns (out, cache), backward(dout, cache) the gradients of the inputs"  # noqa: E501


def test_a_function_in_numpy_or_jax_is_refused_with_the_remedy():
    with pytest.raises(HandgradError) as caught:
        check_function(lambda x: np.exp(x), torch.exp, {"x": "B C"})
    assert str(caught.value) == NUMPY

    def like_jax(x):
        raise TypeError("Error interpreting argument to <jax> as an abstract array: torch.Tensor")

    with pytest.raises(HandgradError) as caught:
        check_function(like_jax, torch.exp, {"x": "B C"})
    assert str(caught.value) == NUMPY.replace("NumPy", "JAX")
    with pytest.raises(HandgradError) as caught:
        check_function(torch.exp, lambda x: np.exp(x), {"x": "B C"})
    assert str(caught.value) == (
        "the reference is written in NumPy, which autograd cannot differentiate: write it with "
        "torch operations"
    )


def test_a_pair_whose_forward_returns_no_cache_is_refused():
    with pytest.raises(HandgradError) as caught:
        check_function((np.exp, lambda dout, y: dout * y), torch.exp, {"x": "B C"})
    assert str(caught.value) == (
        "forward returns ndarray; of a pair, forward(*inputs) must return (out, cache)"
    )
