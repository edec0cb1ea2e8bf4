"""Sizes that are equal in the examples alone: K in place of V, hidden by square examples."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import Function

from handgrad import check_function
from handgrad.checker.functions.check import parameters_of
from handgrad.checker.functions.inputs.specs import specified
from handgrad.checker.functions.runs.apart import divided

SQUARE = (torch.randn(8, 8), torch.randn(8, 8))
OPTIONS = {"sizes": {"A": (3, 1, 0)}, "dtypes": ("float64",)}


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout @ weight, dout.T @ x


class OutForIn(Linear):
    """Loops over the rows of the weight where it must loop over its columns."""

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        dx = torch.zeros_like(x)
        for k in range(min(dout.shape[1], x.shape[1])):
            dx[:, k] = dout @ weight[:, k]
        return dx, dout.T @ x


class Reshaped(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return (dout @ weight).reshape(dout.shape), dout.T @ x


class SquareOnly(Linear):
    @staticmethod
    def forward(ctx, x, weight):
        return Linear.forward(ctx, x, weight).view(x.shape)


def reference(x, weight):
    return x @ weight.T


WRONG = [(OutForIn, "the result is wrong"), (Reshaped, "backward raises this")]


@pytest.mark.parametrize(("function", "failure"), WRONG)
def test_one_size_in_place_of_another_is_found_with_square_examples(function, failure):
    report = check_function(function.apply, reference, SQUARE, **OPTIONS)
    (found,) = report.failures
    assert (found.code, found.message, found.fix) == (
        "HG185",
        f"If dimension 0 of x, dimension 1 of x and dimension 0 of weight differ, {failure}; in "
        f"the examples they are equal.",
        "Look where one of these sizes is used in place of another: in shapes, strides, loop "
        'bounds and masks; if they must be equal, say so: dims=("A A", "A A").',
    )
    assert not check_function(function.apply, reference, SQUARE, sample=found.sample, **OPTIONS).ok
    linked = check_function(function.apply, reference, SQUARE, dims=("A A", "A A"), **OPTIONS)
    assert linked.ok, str(linked)


def test_a_function_that_refuses_them_in_forward_passes_with_a_note():
    report = check_function(SquareOnly.apply, reference, SQUARE, **OPTIONS)
    assert report.ok, str(report)
    assert report.notes[0].startswith("2 of 30 samples were refused, such as 'A=3 float64")


def self_attention(q, k, v):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return weights @ v


def causal(x):
    return x.masked_fill(torch.ones_like(x, dtype=torch.bool).triu(1), 0).sum(-1)


def shifted(x, at):
    return x + at[: len(x)]


def scaled(x, y):
    return x * y


RIGHT = [
    (Linear.apply, reference, SQUARE, {"A": [["x.0"], ["x.1", "weight.1"], ["weight.0"]]}),
    (self_attention, F.scaled_dot_product_attention, [torch.randn(2, 6, 6)] * 3,
     {"B": [["q.1"], ["q.2", "k.2"], ["k.1", "v.1"], ["v.2"]]}),
    (torch.linalg.inv, torch.linalg.inv, {"x": torch.randn(4, 4) + 4 * torch.eye(4)}, {}),
    (scaled, scaled, SQUARE, {"A": [["x.0", "y.0"], ["x.1", "y.1"]]}),
    (causal, causal, [torch.randn(5, 5)], {"A": [["x.0"], ["x.1"]]}),
    (shifted, shifted, SQUARE, {"A": [["x.0", "at.0"], ["x.1", "at.1"]]}),
    (torch.nn.Linear(8, 8), F.linear, {"x": torch.randn(8, 8)}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "right", "inputs", "classes"), RIGHT)
def test_a_right_function_passes_and_only_free_sizes_are_divided(function, right, inputs, classes):
    sizes = dict.fromkeys(classes, (4, 1))
    report = check_function(function, right, inputs, sizes=sizes, dtypes=("float64",))
    assert report.ok, str(report)
    given = divided(specified(inputs, parameters_of(function, right)), right)
    found = {
        letter: [[f"{given.names[i]}.{d}" for i, d in places] for places in divisions]
        for letter, divisions in given.linked.classes.items()
    }
    assert found == classes
