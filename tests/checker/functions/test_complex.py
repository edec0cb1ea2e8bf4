"""Complex inputs and outputs."""

import torch

from handgrad import check_function


class Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, w):
        ctx.save_for_backward(z, w)
        return z * w

    @staticmethod
    def backward(ctx, dout):
        z, w = ctx.saved_tensors
        return dout * w.conj(), dout * z.conj()


class WithoutConj(Multiply):
    @staticmethod
    def backward(ctx, dout):
        z, w = ctx.saved_tensors
        return dout * w, dout * z.conj()


BOTH = {"z": "complex B C", "w": "complex B C"}


def test_a_complex_product():
    right = check_function(Multiply.apply, torch.mul, BOTH, double_backward=True)
    assert right.ok, str(right)
    assert right.dtypes == ("float64", "float32")
    wrong = check_function(WithoutConj.apply, torch.mul, BOTH)
    assert {q for f in wrong.failures for q in f.quantities} == {"gradient of z"}
    alone = check_function(WithoutConj.apply, None, BOTH)
    assert [f.quantities for f in alone.failures] == [("gradient of z",)]
    assert check_function(Multiply.apply, None, BOTH).ok


def test_complex_examples_and_functions_that_make_them():
    z, w = torch.randn(4, 6, dtype=torch.complex64), torch.randn(4, 6, dtype=torch.complex64)
    assert check_function(Multiply.apply, torch.mul, (z, w)).ok
    assert not check_function(WithoutConj.apply, torch.mul, (z, w)).ok

    def make(B, C):
        return torch.randn(B, C, dtype=torch.complex64), torch.randn(B, C, dtype=torch.complex64)

    assert check_function(Multiply.apply, torch.mul, make).ok
    assert not check_function(WithoutConj.apply, torch.mul, make).ok


def test_a_complex_output_of_real_inputs_and_the_reverse():
    rfft = lambda x: torch.fft.rfft(x)  # noqa: E731
    report = check_function(rfft, torch.fft.rfft, {"x": "B C"})
    assert report.ok, str(report)
    absolute = lambda z: (z.real.square() + z.imag.square()).sqrt()  # noqa: E731
    assert check_function(absolute, torch.abs, {"z": "complex B C"}).ok
