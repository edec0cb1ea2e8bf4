"""Nested inputs, keywords and the parameters of modules."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from checker.functions.kernels.norms import LayerNorm, layer_norm
from handgrad import HandgradError, check_function

QUICK = {"dtypes": ("float64", "float32")}


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.T + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout @ weight, dout.T @ x, dout.sum(0)


class LinearWithoutBias(Linear):
    @staticmethod
    def backward(ctx, dout):
        return *Linear.backward(ctx, dout)[:2], dout.new_zeros(dout.shape[1])


def linear(x, parameters, scale=1.0):
    return scale * (x @ parameters["weight"].T + parameters["bias"])


class MyLinear(nn.Module):
    def __init__(self, function=Linear):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))
        self.bias = nn.Parameter(torch.zeros(4))
        self.function = function

    def forward(self, x):
        return self.function.apply(x, self.weight, self.bias)


def test_dicts_lists_and_tuples_are_inputs():
    inputs = {"x": "N I", "parameters": {"weight": "O I", "bias": "O"}}

    def mine(x, parameters):
        return Linear.apply(x, parameters["weight"], parameters["bias"])

    def wrong(x, parameters):
        return LinearWithoutBias.apply(x, parameters["weight"], parameters["bias"])

    assert check_function(mine, linear, inputs, **QUICK).ok
    (failure,) = check_function(wrong, linear, inputs, **QUICK).failures
    assert failure.quantities == ("gradient of parameters.bias",)
    states = [torch.randn(3, 8), (torch.randn(3, 8), torch.ones(8))]
    add = lambda states: states[0] * states[1][0] + states[1][1]  # noqa: E731
    report = check_function(add, add, (states,), sample="A=2 B=5")
    assert report.ok


def test_keywords_are_passed_by_name():
    def mine(x, *, weight, eps, reduction):
        assert (eps, reduction) == (1e-3, "mean")
        return F.layer_norm(x, x.shape[-1:], weight, None, eps)

    def reference(x, *, weight, reduction, eps):
        return F.layer_norm(x, x.shape[-1:], weight, None, eps)

    kwargs = {"weight": "C", "eps": 1e-3, "reduction": "mean"}
    report = check_function(mine, reference, {"x": "B C"}, kwargs=kwargs, **QUICK)
    assert report.ok, str(report)

    def doubled(x, weight, eps, reduction):
        return F.layer_norm(x, x.shape[-1:], weight, None, 2 * eps)

    assert not check_function(doubled, reference, {"x": "B C"}, kwargs=kwargs, **QUICK).ok


def test_a_function_may_make_nested_inputs():
    def make(B, C):
        return {
            "x": torch.randn(B, C),
            "parameters": {"weight": torch.randn(4, C), "bias": torch.randn(4)},
        }

    assert check_function(linear, linear, make, kwargs={"scale": 2.0}, **QUICK).ok


def test_the_parameters_of_two_modules_are_the_same_and_checked():
    inputs = {"x": "N 6"}
    right = check_function(MyLinear(), nn.Linear(6, 4), inputs, **QUICK)
    assert right.ok, str(right)
    wrong = check_function(MyLinear(LinearWithoutBias), nn.Linear(6, 4), inputs, **QUICK)
    assert [f.quantities for f in wrong.failures] == [("gradient of bias",)]
    assert wrong.function == "MyLinear"
    assert check_function(MyLinear(LinearWithoutBias), nn.Linear(6, 4), inputs, wrt=("x",)).ok


def test_a_module_against_a_function_and_the_reverse():
    x = torch.randn(5, 6)
    assert check_function(MyLinear(), F.linear, (x,), **QUICK).ok
    assert check_function(Linear.apply, nn.Linear(6, 4), (x,), **QUICK).ok
    assert check_function(LayerNorm.apply, nn.LayerNorm(16), {"x": "B 16"}, **QUICK).ok
    swapped = lambda x, bias, weight: layer_norm(x, weight, bias)  # noqa: E731
    assert check_function(swapped, nn.LayerNorm(16), {"x": "B 16"}, **QUICK).ok


def test_a_frozen_parameter_and_the_buffers_are_no_inputs():
    module = nn.BatchNorm1d(6)
    module.bias.requires_grad_(False)
    before = module.running_mean.clone()
    report = check_function(module, module, {"x": "N 6"}, sizes={"N": (4, 9)}, **QUICK)
    assert report.ok, str(report)
    assert torch.equal(module.running_mean, before)
    assert module.num_batches_tracked == 0


def test_inputs_named_like_a_parameter_are_told_apart():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, weight):
            return self.weight * weight

    report = check_function(Scale(), Scale(), {"weight": "B 3"}, **QUICK)
    assert report.ok


def test_modules_with_other_parameters_are_refused_in_one_line():
    with pytest.raises(HandgradError) as caught:
        check_function(MyLinear(), nn.Linear(4, 6), {"x": "N 6"})
    assert str(caught.value) == (
        "the two modules have different parameters: weight f32[4,6], bias f32[4]; "
        "weight f32[6,4], bias f32[6]; both must have the same, in the same order"
    )
