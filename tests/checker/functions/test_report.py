"""The report of a check: its whole text, hints, JSON, and one sample run again."""

import json

import pytest
import torch
import torch.nn.functional as F

from checker.functions.kernels.elementwise import Exp, Gelu
from checker.functions.kernels.norms import NORM, LayerNorm, layer_norm
from checker.functions.kernels.products import MUL_REF, Picky
from checker.functions.wrong.case import MUL, QUICK
from checker.functions.wrong.numbers import norm_all_constant
from checker.functions.wrong.planting import blocks, changed, forwarded, wrapped
from handgrad import FunctionReport, check_function
from handgrad.checker.functions import diagnose
from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.report.patterns import place

FEW = {"sizes": {"B": (3, 1, 65), "C": (5, 16, 0)}}
CONSTANT = changed(LayerNorm, norm_all_constant)
SAYS = """\
✗ gradient of x
    x f64[3,5]  weight f64[5]  bias f64[5]
    Off by up to 1.79 at [2, 4]: got 0.2089, expected -1.584; every element; over a million times
    what rounding explains.
    A statistic of x is treated as a constant: this is the gradient with the reference's `mean in
    layer_norm` and `var in layer_norm` detached. [HG152]
    try: Add the contribution to the gradient of x through `mean in layer_norm` and `var in
    layer_norm`.
    Fails in 54 of 58 samples.
    rerun: handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")

LayerNorm: 1 failure in 60 samples (float64, float32, bfloat16, float16; B 1-65, C 0-16)."""
REFUSED = """\
- float64 is not supported: AssertionError: assert x.dtype == torch.float32
- 1 of 38 samples were refused, such as 'B=3 C=5 float32 upstream=random': ValueError: the last
  dimension must be a multiple of 16, got 5
- bfloat16 is not supported: AssertionError: assert x.dtype == torch.float32
- float16 is not supported: AssertionError: assert x.dtype == torch.float32
- 14 of 38 samples were refused, such as 'B=65 C=16 float32 transposed upstream=strided':
  RuntimeError: inputs must be contiguous

Picky: correct in 17 samples (float32; B 1-65, C 0-16)."""
NOTHING = """\
✗ function
    Refuses every sample: ValueError: this kernel wants something else.
    No sample could be run.
    try: Give the sizes and dtypes that it supports: sizes={"C": (64, 128)}, fixed="C",
    dtypes=("float32",).
    Fails in all 16 samples.

- 16 of 16 samples were refused, such as 'B=3 float64 upstream=random': ValueError: this kernel
  wants something else

stubborn: 1 failure in 0 samples."""


def stubborn(x):
    raise ValueError("this kernel wants something else")


@pytest.fixture(scope="module")
def report() -> FunctionReport:
    return check_function(CONSTANT, layer_norm, NORM, **FEW)


def test_a_failure_says_what_where_why_and_what_to_type(report):
    assert not report.ok
    assert str(report) == SAYS


def test_a_refusal_is_noted():
    assert str(check_function(Picky.apply, MUL_REF, MUL, **FEW)) == REFUSED


def test_a_function_that_refuses_everything_fails():
    report = check_function(stubborn, F.gelu, {"x": "B"})
    assert not report.ok
    assert str(report) == NOTHING


def test_a_hint_level_hides_cause_and_fix(report):
    lines = SAYS.split("\n")
    assert str(report.hinted("fix")) == SAYS
    assert str(report.hinted("what")).split("\n") == lines[:6] + lines[8:]
    assert str(report.hinted("where")).split("\n") == lines[:4] + lines[8:]


def test_json_has_the_same_content(report):
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert {k: v for k, v in data.items() if k != "failures"} == {
        "version": 1,
        "function": "LayerNorm",
        "ok": False,
        "samples": 60,
        "dtypes": ["float64", "float32", "bfloat16", "float16"],
        "sizes": {"B": [1, 3, 65], "C": [0, 5, 16]},
        "notes": [],
    }
    (failure,) = data["failures"]
    assert failure.pop("ratio") > 1e6
    assert failure == {
        "quantities": ["gradient of x"],
        "sample": "B=3 C=5 float64 upstream=random",
        "arrays": ["x f64[3,5]", "weight f64[5]", "bias f64[5]"],
        "error": "off by up to 1.79 at [2, 4]: got 0.2089, expected -1.584; every element",
        "failed": "Fails in 54 of 58 samples.",
        "code": "HG152",
        "name": "saved statistics treated as constants",
        "message": "A statistic of x is treated as a constant: this is the gradient with the "
        "reference's `mean in layer_norm` and `var in layer_norm` detached.",
        "fix": "Add the contribution to the gradient of x through `mean in layer_norm` and `var in "
        "layer_norm`.",
        "lines": [],
        "again": 'handgrad.check_function(..., sample="B=3 C=5 float64 upstream=random")',
    }


@pytest.mark.parametrize(
    ("function", "reference", "inputs"),
    [
        (CONSTANT, layer_norm, NORM),
        (wrapped(Exp, lambda dx: blocks(dx, 64)), torch.exp, {"x": "B C"}),
        (forwarded(Gelu, torch.Tensor.bfloat16), F.gelu, {"x": "N"}),
    ],
)
def test_the_sample_of_a_failure_fails_alone_in_the_same_way(function, reference, inputs):
    sizes = {letter: (3, 64, 65) for letter in "BCN" if letter in " ".join(inputs.values())}
    options = {"dtypes": ("float64", "float32"), "sizes": sizes}
    (failure, *_) = check_function(function, reference, inputs, **options).failures
    again = check_function(function, reference, inputs, sample=failure.sample, **options)
    assert again.samples == 1
    (same, *_) = again.failures
    assert (same.sample, same.error, same.failed) == (
        failure.sample, failure.error, "Fails in the only sample."
    )  # fmt: skip


def test_two_mistakes_are_two_failures():
    both = wrapped(LayerNorm, lambda dx, dw, db: (2 * dx, None, db))
    report = check_function(both, layer_norm, NORM, **FEW)
    assert [(f.quantities, f.code) for f in report.failures] == [
        (("gradient of x",), "HG162"),
        (("gradient of weight",), "HG159"),
    ]


def test_one_gradient_may_be_wrong_for_two_reasons():
    def two(dx):
        return (blocks(dx, 64) if dx.dtype == torch.float64 else dx * 2,)

    report = check_function(
        wrapped(Exp, two), torch.exp, {"x": "N"},
        sizes={"N": (3, 64, 65, 128)}, dtypes=("float64", "float32"),
    )  # fmt: skip
    assert len(report.failures) == 1  # the second shows once the first is fixed
    assert report.failures[0].code == "HG153"


def test_a_failure_without_a_cause_says_where_the_error_is():
    odd = wrapped(Exp, lambda dx: (dx + 0.5,))
    (failure,) = check_function(odd, torch.exp, {"x": "B C"}, **FEW).failures
    assert (failure.code, failure.message, failure.fix) == (None, None, None)
    assert failure.error.endswith("; every element")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((slice(None), slice(None)), "every element"),
        ((2, slice(None)), "only index 2 of dimension 0, 5 of 20 elements"),
        ((slice(None), slice(3, 5)), "only indices 3 to 4 of dimension 1, 8 of 20 elements"),
        (([0, 2, 3], [1, 4, 2]), "3 of 20 elements"),
    ],
)
def test_where_an_error_is(wrong, says):
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[wrong] = True
    assert place(mask) == says


def test_a_cause_that_fits_only_one_draw_of_the_numbers_is_not_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lucky(evidence: FunctionEvidence) -> FunctionFinding | None:
        return FunctionFinding("It fits.", "Fix it.") if evidence.sample.draw == 0 else None

    def sure(evidence: FunctionEvidence) -> FunctionFinding | None:
        return FunctionFinding("It fits.", "Fix it.")

    declare = cause("HG999", "luck", turn=Turn.GENERAL)
    for find, code in ((lucky, None), (sure, "HG999")):
        monkeypatch.setattr(diagnose, "FUNCTION_CAUSES", (declare(find),))
        (failure,) = check_function(CONSTANT, layer_norm, NORM, **QUICK).failures
        assert failure.code == code


def test_a_wrong_gradient_of_an_input_too_large_to_differentiate_twice_is_reported():
    sample = "B=65 C=65 float64 upstream=random"
    report = check_function(CONSTANT, layer_norm, NORM, double_backward=True, sample=sample)
    assert [failure.code for failure in report.failures] == ["HG152"]


def test_a_forward_alone_is_compared_without_a_gradient():
    right = check_function(lambda x: x.detach().exp(), torch.exp, {"x": "B C"}, forward_only=True)
    assert right.ok
    assert right.samples > 60
    wrong = check_function(lambda x: x.expm1(), torch.exp, {"x": "B C"}, forward_only=True)
    assert [f.quantities for f in wrong.failures] == [("output",)]
    whole = check_function(lambda i: i + 1, lambda i: i + 1, {"i": "B < B"}, forward_only=True)
    assert whole.ok
