"""jvp, vmap and custom operators, where a function defines them."""

import pytest
import torch
from torch import Tensor

from handgrad import check_function


class Square(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx, dout):
        return 2 * ctx.saved_tensors[0] * dout

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


class WrongJvp(Square):
    @staticmethod
    def jvp(ctx, tangent):
        return ctx.saved_tensors[0] * tangent


class RaisingJvp(Square):
    @staticmethod
    def jvp(ctx, tangent):
        raise ValueError("no tangent")


class WrongVmap(Square):
    generate_vmap_rule = False

    @staticmethod
    def vmap(info, in_dims, x):
        return WrongVmap.apply(x) * 2, in_dims[0]


class RightVmap(Square):
    generate_vmap_rule = False

    @staticmethod
    def vmap(info, in_dims, x):
        return RightVmap.apply(x), in_dims[0]


def checked(function, **options):
    sizes = {"B": (3,), "C": (5,)}
    return check_function(function, torch.square, {"x": "B C"}, sizes=sizes, **options)


@pytest.mark.parametrize("function", [Square, RightVmap])
def test_a_right_jvp_and_vmap_are_noted(function):
    report = checked(function)
    assert report.ok, str(report)
    assert report.notes[-2:] == ("forward-mode derivative (jvp): correct", "vmap: correct")


def test_a_wrong_jvp_and_one_that_raises_fail():
    (failure,) = checked(WrongJvp).failures
    assert failure.quantities == ("forward-mode derivative (jvp)",)
    assert failure.error.startswith("is ")
    assert " along a random direction, expected " in failure.error
    (failure,) = checked(RaisingJvp).failures
    assert failure.error == "raises ValueError: no tangent"


def test_a_wrong_vmap_fails():
    (failure,) = checked(WrongVmap).failures
    assert (failure.quantities, failure.error) == (("vmap",), "differs from the calls one by one")


def custom(name, fake):
    @torch.library.custom_op(f"handgrad_tests::{name}", mutates_args=())
    def square(x: Tensor) -> Tensor:
        return x * x

    square.register_fake(fake)
    square.register_autograd(
        lambda ctx, dout: 2 * ctx.saved_tensors[0] * dout,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
    )
    return square


def test_opcheck_runs_for_a_custom_operator():
    report = checked(custom("right", torch.empty_like), dtypes=("float64", "float32"))
    assert report.ok, str(report)
    assert "opcheck test_faketensor: passes" in report.notes
    assert report.function == "handgrad_tests::right"
    wrong = checked(custom("wrong", lambda x: x.new_empty(2 * len(x))), dtypes=("float64",))
    names = [name for failure in wrong.failures for name in failure.quantities]
    assert "opcheck test_faketensor" in names
    overload = checked(torch.ops.handgrad_tests.right.default, dtypes=("float64",))
    assert "opcheck test_schema: passes" in overload.notes
