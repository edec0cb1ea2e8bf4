"""The examples of a report of 105 wrong and 80 right functions: whole messages, and silence."""

import re

import pytest
import torch

from checker.functions.kernels.defective import RIGHT, WRONG
from handgrad import check_function

FIGURE = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
SAYS = {
    "a crash beside a wrong gradient": """\
✗ backward
    x f64[0,5]
    Raises IndexError: index 0 is out of bounds for dimension 0 with size 0.
    For an empty input (B=0) backward raises this; the reference returns a result. [HG170]
    try: Return early if x.numel() == 0.
    Fails in 2 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=0 C=5 float64 upstream=random")

✗ gradient of x
    x f64[3,5]
    Off by up to 3.87 at [0, 2]: got -7.289, expected -3.42; every element; over a million times
    what rounding explains.
    Fails in 89 of 94 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Planted: 2 failures in 98 samples (float64, float32, bfloat16, float16; B 1-4099, C 0-4099).""",
    "an overflow beside a wrong gradient": """\
✗ gradient of x
    x f64[3,5]
    Off by up to 3.42e+05 at [0, 4]: got -1146, expected -3.434e+05; every element; over a million
    times what rounding explains.
    Fails in 92 of 96 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Planted: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "a crash in three dtypes": """\
✗ backward
    t f64[3,5]  i int64[7]
    Raises RuntimeError: index_add_(): self (Float) and source (Double) must have the same scalar
    type.
    backward raises this in float64, bfloat16 and float16; in float32 it is right, and the reference
    supports all of them. [HG181]
    try: Create tensors in the dtype of the inputs (dtype=dout.dtype), or check only the dtypes that
    are meant: dtypes=("float32",).
    Fails in 3 of 69 samples.
    rerun: handgrad.check_function(..., sample="V=3 C=5 N=7 float64 upstream=random")

Planted: 1 failure in 69 samples (float32; V 1-4099, C 0-4099, N 0-4099).""",
    "backward always raises": """\
✗ backward
    q f64[3,5,7,2]  k f64[3,5,7,2]  v f64[3,5,7,2]
    Raises RuntimeError: boom.
    Fails in all 8 samples.
    rerun: handgrad.check_function(..., sample="A=3 B=5 C=7 D=2 float64 upstream=random")

Planted: 1 failure in 8 samples (float64, float32, bfloat16, float16).""",
    "an output that is detached": """\
✗ output 1
    x f64[3,5]
    Has no gradient.
    Output 1 does not require a gradient; the reference's does: a loss that uses it trains nothing
    through it. [HG182]
    try: Remove .detach, .data, no_grad or ctx.mark_non_differentiable, and return its contribution
    in backward; if it is meant, detach it in the reference.
    Fails in 94 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

<lambda>: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "an output marked as not differentiable": """\
✗ output 1
    x f64[3,5]
    Has no gradient.
    Output 1 does not require a gradient; the reference's does: a loss that uses it trains nothing
    through it. [HG182]
    try: Remove .detach, .data, no_grad or ctx.mark_non_differentiable, and return its contribution
    in backward; if it is meant, detach it in the reference.
    Fails in 94 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Marked: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "state on the class": """\
✗ gradient of x
    x f64[3,5]
    Differs if another call is made before backward.
    If the function is called again before backward, this gradient is wrong: forward keeps state
    where the next call overwrites it. [HG183]
    try: Keep what backward needs in ctx (ctx.save_for_backward), not on the class, in a global or
    in a buffer.
    Fails in 48 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

OnClass: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "a buffer used again": """\
✗ gradient of x
    x f64[3,5]
    Is overwritten by a later call.
    The next call overwrites this gradient: both return the same memory. [HG183]
    try: Return new memory from each call: torch.empty_like, not a buffer that is kept.
    Fails in 48 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Buffered: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "an upstream gradient overwritten": """\
✗ backward
    x f64[3,5]
    Writes to the upstream gradient.
    backward writes to the upstream gradient, which belongs to the caller. [HG164]
    try: Write to new memory: torch.empty_like, or the out-of-place operation.
    Fails in 70 of 98 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Overwrites: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "1/D with five letters": """\
✗ gradient of q, gradient of k
    q f64[3,5,7,2]  k f64[3,5,11,2]
    Off by up to 5.1 at [2, 0, 6, 0]: got 10.21, expected 5.104; every element; over a million times
    what rounding explains.
    This is D times the correct result. [HG162]
    try: Multiply by 1/D.
    Fails in 158 of 169 samples: all those in which D is 2 or more.
    rerun: handgrad.check_function(..., sample="A=3 B=5 T=7 D=2 S=11 float64 upstream=random")

Planted: 1 failure in 171 samples (float64, float32, bfloat16, float16; A 0-1031, B 0-1031, T
0-4099, D 1-1031, S 0-4099).""",
    "1/sqrt(D)": """\
✗ gradient of q, gradient of k
    q f64[3,5,7,2]  k f64[3,5,11,2]
    Off by up to 2.99 at [2, 0, 6, 0]: got 10.21, expected 7.218; every element; over a million
    times what rounding explains.
    This is D**0.5 times the correct result. [HG162]
    try: Multiply by D**-0.5.
    Fails in 158 of 169 samples: all those in which D is 2 or more.
    rerun: handgrad.check_function(..., sample="A=3 B=5 T=7 D=2 S=11 float64 upstream=random")

Planted: 1 failure in 171 samples (float64, float32, bfloat16, float16; A 0-1031, B 0-1031, T
0-4099, D 1-1031, S 0-4099).""",
    "wrong behind a normalisation": """\
✗ gradient of x
    x f64[3,5]
    Off by up to 0.423 at [0, 0]: got -0.607, expected -0.184; every element; over a million times
    what rounding explains.
    Fails in 64 of 96 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

Planted: 1 failure in 98 samples (float64, float32, bfloat16, float16; B 0-4099, C 0-4099).""",
    "ties": """\
✗ gradient of x
    x f64[3,5]
    Off by up to 0.528 at [2, 0]: got 0.7918, expected 0.2639; only index 2 of dimension 0, 3 of 15
    elements; over a million times what rounding explains.
    Every element that ties for a maximum, minimum or place in an order gets the full gradient: 3
    equal elements share one, so the sum is 3 times too large. That is no subgradient. [HG184]
    try: Give the gradient to one of the equal elements, or divide it among them.
    Fails in 2 of 94 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random ties")

Planted: 1 failure in 96 samples (float64, float32, bfloat16, float16; B 0-4099, C 1-4099).""",
}


def figureless(text: str) -> str:
    """Return the text without its figures, which differ between CPUs, and its breaks of lines."""
    return FIGURE.sub("#", " ".join(text.split()))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_function_fails_with_this_report(name: str) -> None:
    report = str(check_function(*WRONG[name]))
    # figures differ between CPUs and versions of torch, and with them the breaks of lines
    assert FIGURE.sub("#", " ".join(report.split())) == FIGURE.sub(
        "#", " ".join(SAYS[name].split())
    )


@pytest.mark.parametrize("name", RIGHT)
def test_its_right_twin_passes(name: str) -> None:
    function, reference, inputs, *options = RIGHT[name]
    report = check_function(function, reference, inputs, **(options[0] if options else {}))
    assert report.ok, str(report)


def test_second_derivatives_of_large_inputs_are_left_out() -> None:
    def norm(x, weight, bias):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias)

    inputs = {"x": "B C", "weight": "C", "bias": "C"}
    for function, given in ((torch.tanh, {"x": "B C"}), (norm, inputs)):
        report = check_function(function, function, given, double_backward=True)
        assert report.ok, str(report)


def test_a_compiled_function_is_compiled_for_every_sample() -> None:
    compiled: list[torch.dtype] = []

    def backend(module, examples):
        dtypes = [v.dtype for v in examples if isinstance(v, torch.Tensor)]
        compiled.append(dtypes[0])
        if dtypes[0] == torch.float16:  # the compiler is wrong for one dtype
            return lambda *inputs: [2 * out for out in module(*inputs)]
        return module.forward

    def tripled(x):
        return x * 3

    options = {"sizes": {"B": (3, 1, 2, 0), "C": (5, 1, 16, 65)}}
    function = torch.compile(tripled, backend=backend)
    report = check_function(function, tripled, {"x": "B C"}, **options)
    assert not report.ok
    assert len(compiled) >= 8
    assert {failure.sample.split()[2] for failure in report.failures} == {"float16"}


def test_one_graph_of_a_compiled_function_serves_many_sizes() -> None:
    dynamic: list[bool] = []

    def backend(module, examples):
        dynamic.append(any(isinstance(v, torch.SymInt) for v in examples))
        return module.forward

    def scaled(x, weight):
        return (x * weight).tanh()

    function = torch.compile(scaled, backend=backend)
    report = check_function(function, scaled, {"x": "B C", "weight": "C"})
    assert report.ok, str(report)
    assert report.samples > 80
    assert 8 <= len(dynamic) <= 20
    assert not dynamic[0]  # as the first call outside a check
    assert sum(dynamic) > len(dynamic) / 2
