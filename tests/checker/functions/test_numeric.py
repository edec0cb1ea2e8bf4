"""A check without a reference: numeric derivatives of the forward."""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from checker.functions.kernels.elementwise import Exp, Gelu
from checker.functions.kernels.norms import NORM, LayerNorm
from checker.functions.kernels.softmax import CrossEntropy, Softmax
from checker.functions.wrong.numbers import norm_all_constant
from checker.functions.wrong.planting import changed
from handgrad import HandgradError, check_function
from handgrad.checker.functions.ridders import derivative

SAYS = re.compile(
    r"✗ gradient of x\n"
    r"    x f64\[3,5\]  weight f64\[5\]  bias f64\[5\]\n"
    r"    Off by up to [\d.]+ at \[\d, \d\]: got [-\d.]+, expected [-\d.]+ \(numeric\)\.\n"
    r"    A statistic of x is treated as a constant: this is the gradient with forward's first "
    r"`mean` and\n"
    r"    second `mean` detached\. \[HG152\]\n"
    r"    try: Add the contribution to the gradient of x through first `mean` and second `mean`\.\n"
    r"    Fails in \d+ of \d+ samples\.\n"
    r"    rerun: handgrad\.check_function\(\.\.\., sample=\"B=3 C=5 float64 upstream=random\"\)\n\n"
    r"- There is no reference: the forward itself is taken as right\.\n\n"
    r"LayerNorm: 1 failure in \d+ samples \(float64; B 0-1031, C 0-1031\)\."
)
RIGHT = [
    (Exp.apply, {"x": "B C"}),
    (Gelu.apply, {"x": "B C"}),
    (LayerNorm.apply, NORM),
    (Softmax.apply, {"x": "B C"}),
    (CrossEntropy.apply, {"logits": "N V", "targets": "N < V"}),
    (torch.nn.Linear(6, 4), {"x": "N 6"}),
    (F.cross_entropy, {"logits": "N V", "targets": "N < V or -100"}),
    (lambda x: (x.relu(), x.abs()), {"x": "B C"}),
    (lambda x, i: x[i].cumsum(0), {"x": "N C", "i": "K < N"}),
]


@pytest.mark.parametrize("number", range(len(RIGHT)))
def test_a_right_function_passes(number):
    function, inputs = RIGHT[number]
    report = check_function(function, None, inputs)
    assert report.ok, str(report)
    assert report.samples > 20
    assert report.notes[0] == "There is no reference: the forward itself is taken as right."


def test_a_wrong_gradient_is_found_and_its_sample_runs_alone():
    wrong = changed(LayerNorm, norm_all_constant)
    report = check_function(wrong, None, NORM)
    assert SAYS.fullmatch(str(report)), str(report)
    alone = check_function(wrong, None, NORM, sample=report.failures[0].sample)
    assert [f.quantities for f in alone.failures] == [("gradient of x",)]


class Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        y = torch.tanh(x @ weight)
        ctx.save_for_backward(x, weight, y)
        return y

    @staticmethod
    def backward(ctx, dout):
        x, weight, y = ctx.saved_tensors
        d = dout * (1 - y)
        return d @ weight.T, x.T @ d


class InNumpy(Layer):
    @staticmethod
    def forward(ctx, x, weight):
        y = torch.from_numpy(np.tanh(x.numpy() @ weight.numpy()))
        ctx.save_for_backward(x, weight, y)
        return y


def test_forward_itself_tells_the_cause_if_autograd_can_differentiate_it():
    report = check_function(Layer.apply, None, {"x": "B C", "weight": "C D"})
    (failure,) = report.failures
    assert failure.quantities == ("gradient of x", "gradient of weight")
    assert (
        failure.message == "The derivative of `torch.tanh(x @ weight)` is wrong: t is not squared."
    )
    report = check_function(InNumpy.apply, None, {"x": "B C", "weight": "C D"})
    assert [failure.code for failure in report.failures] == [None, None]


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        square = x * x
        ctx.save_for_backward(square)
        return square * x

    @staticmethod
    def backward(ctx, dout):
        (square,) = ctx.saved_tensors
        return 3 * square * dout


class InSingle(torch.autograd.Function):
    factor = 1.0

    @classmethod
    def of(cls, factor):
        return type("Scaled", (cls,), {"factor": factor, "backward": _scaled(factor)})

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.float().tanh().to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return (dout.float() * (1 - x.float().tanh() ** 2)).to(x.dtype)


def _scaled(factor):
    return staticmethod(lambda ctx, dout: factor * InSingle.backward(ctx, dout))


def test_a_function_that_computes_in_float32_is_judged_by_what_its_forward_allows():
    assert check_function(InSingle.apply, None, {"x": "B C"}).ok
    assert not check_function(InSingle.of(1.01).apply, None, {"x": "B C"}).ok


def test_second_gradients_are_compared_too():
    assert check_function(Cube.apply, None, {"x": "B"}).ok
    report = check_function(Cube.apply, None, {"x": "B"}, double_backward=True)
    assert [f.quantities for f in report.failures] == [("second gradient of x",)]
    assert check_function(F.silu, None, {"x": "B"}, double_backward=True).ok


def test_a_gradient_that_is_none_and_one_that_ignores_the_upstream():
    class NoWeight(LayerNorm):
        @staticmethod
        def backward(ctx, dout):
            return LayerNorm.backward(ctx, dout)[0], None, dout.sum(0)

    report = check_function(NoWeight.apply, None, NORM)
    assert [f.quantities for f in report.failures] == [("gradient of weight",)]
    assert report.failures[0].error.startswith("is None; off by up to ")

    class Ones(Exp):
        @staticmethod
        def backward(ctx, dout):
            return ctx.saved_tensors[0]

    (failure,) = check_function(Ones.apply, None, {"x": "B C"}).failures
    assert failure.quantities == ("gradient of x",)


def test_a_gradient_that_is_nan_where_the_forward_is_not():
    class Nan(Exp):
        @staticmethod
        def backward(ctx, dout):
            return dout * ctx.saved_tensors[0] * (0.0 / (dout - dout))

    (failure,) = check_function(Nan.apply, None, {"x": "B C"}).failures
    assert failure.quantities == ("gradient of x",)


def test_nondeterminism_is_noted():
    calls = [0.0]

    class Drifting(Exp):
        @staticmethod
        def backward(ctx, dout):
            calls[0] += 1e-13
            return ctx.saved_tensors[0] * dout * (1 + calls[0])

    report = check_function(Drifting.apply, None, {"x": "B C"}, sizes={"B": (3,), "C": (5,)})
    assert report.ok, str(report)
    assert "Two calls on the same numbers differ in their last bits." in report.notes


def test_ridders_method_knows_its_error():
    value, error = derivative(lambda h: math.exp(1 + h))
    assert abs(value - math.e) < 1e-11
    assert abs(value - math.e) < 10 * error + 1e-12


def test_what_cannot_run_is_one_line():
    with pytest.raises(HandgradError) as caught:
        check_function(lambda x: x + torch.ones(2), None, {"x": "B"})
    assert str(caught.value).startswith("the function cannot run on these inputs: RuntimeError: ")
    with pytest.raises(HandgradError, match="the function is not differentiable"):
        check_function(lambda x: x.detach(), None, {"x": "B"})
