"""The lines of the user's backward that are to blame, with a correction that was run."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.norms import NORM, layer_norm
from checker.functions.wrong.case import QUICK
from handgrad import check_function

GATES = {
    "sizes": {"B": (3,), "I": (5, 1), "H": (7,)},
    "dtypes": ("float64",),
}


MUL_SAME = {"x": "B C", "y": "B C"}


class Norm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        mean = x.mean(-1, keepdim=True)
        xc = x - mean
        var = (xc * xc).mean(-1, keepdim=True)
        rstd = (var + 1e-5).rsqrt()
        normed = xc * rstd
        ctx.save_for_backward(normed, rstd, weight)
        return normed * weight + bias

    @staticmethod
    def backward(ctx, dout):
        normed, rstd, weight = ctx.saved_tensors
        dnormed = dout * weight
        first = dnormed.mean(-1, keepdim=True)
        second = (dnormed * normed).sum(-1, keepdim=True)
        dx = rstd * (dnormed - first - normed * second)
        return dx, (dout * normed).sum(0), dout.sum(0)


class Gated(Function):
    @staticmethod
    def forward(ctx, x, gate, up):
        a = x @ gate
        b = x @ up
        s = torch.sigmoid(a)
        h = a * s
        ctx.save_for_backward(x, gate, up, a, b, s, h)
        return h * b

    @staticmethod
    def backward(ctx, dout):
        x, gate, up, a, b, s, h = ctx.saved_tensors
        db = dout * h
        dh = dout * b
        da = dh * s + dh * a * s
        dx = da @ gate.T + db @ up.T
        return dx, x.T @ da, x.T @ db


class Logistic(Function):
    @staticmethod
    def forward(ctx, x, y):
        s = torch.sigmoid(x)
        ctx.save_for_backward(s, y)
        return s * y

    @staticmethod
    def backward(ctx, dout):
        s, y = ctx.saved_tensors
        dy = dout * s
        ds = dout * y * s
        dx = ds * s * (1 - s)
        return dx, dy


def gated(x, gate, up):
    return F.silu(x @ gate) * (x @ up)


NORM_SAYS = """\
✗ gradient of x
    x f64[3,5]  weight f64[5]  bias f64[5]
    Off by up to 2.21 at [0, 3]: got -2.386, expected -0.1778; every element; over a million times
    what rounding explains.
    The contribution through `var in layer_norm` is C times what it should be. [HG189]
    line {} of backward: dx = rstd * (dnormed - first - normed * second)
    layernorm's closed form: the term through var is dx.shape[1] times the correct one. [HG122]
    try: dx = rstd * (dnormed - first - normed * second / dx.shape[1])"""
GATED_SAYS = """\
✗ gradient of x, gradient of gate
    x f64[3,5]  gate f64[5,7]  up f64[5,7]
    Off by up to 13.3 at [1, 3]: got -30.56, expected -17.25; every element; over a million times
    what rounding explains.
    The derivative of `sigmoid in silu` is wrong: the factor 1 - s is missing. [HG188]
    line {} of backward: da = dh * s + dh * a * s
    s is used where the local derivative belongs: s * (1 - s), the derivative in `s =
    torch.sigmoid(a)`. [HG109]"""


def line_of(text: str) -> int:
    with open(__file__) as file:
        return next(i for i, line in enumerate(file, 1) if line.strip() == text)


def without_figures(text: str) -> str:
    return text.split("\n")[0] + "\n".join(text.split("\n")[4:8])


def test_the_line_of_a_gradient_with_a_known_cause():
    text = "dx = rstd * (dnormed - first - normed * second)"
    report = check_function(Norm.apply, layer_norm, NORM, **QUICK)
    said = NORM_SAYS.format(line_of(text))
    assert without_figures(str(report)) == without_figures(said)
    (line,) = report.failures[0].lines
    assert (line.statement, line.line) == (text, line_of(text))
    assert report.to_json()["failures"][0]["lines"][0]["fix"] == line.fix


def test_one_line_of_several_gradients():
    line = line_of("da = dh * s + dh * a * s")
    inputs = {"x": "B I", "gate": "I H", "up": "I H"}
    report = check_function(Gated.apply, gated, inputs, **GATES)
    assert without_figures(str(report)) == without_figures(GATED_SAYS.format(line))


def test_the_line_names_the_cause_where_no_other_is_known():
    report = check_function(Logistic.apply, lambda x, y: x.sigmoid() * y, MUL_SAME, **QUICK)
    (failure,) = report.failures
    assert failure.quantities == ("gradient of x",)
    assert [line.statement for line in failure.lines] == ["ds = dout * y * s"]
    assert (failure.code, failure.message) == (failure.lines[0].code, failure.lines[0].message)


def test_a_function_that_applies_another_is_read_too():
    report = check_function(lambda *a: Norm.apply(*a) * 1.0, layer_norm, NORM, **QUICK)
    assert [line.code for line in report.failures[0].lines] == ["HG122"]
    assert "apply" not in vars(Norm)


def test_lower_hints_hide_the_lines():
    report = check_function(Norm.apply, layer_norm, NORM, **QUICK)
    assert report.hinted("what").failures[0].lines[0].fix is None
    assert report.hinted("where").failures[0].lines == ()
