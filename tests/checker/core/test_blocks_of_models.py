"""Norms, attention and recurrent cells by hand: what is right stays silent, each fault is named."""

from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[3] / "benchmarks" / "strangers" / "programs"
RIGHT = {"exact", "rounding"}

SOFTMAX = """
import torch
torch.manual_seed(1)
x = torch.randn(3, 5, requires_grad=True)
w = torch.randn(3, 5)
e = torch.exp(x - x.max(1, keepdim=True).values)
s = e.sum(1, keepdim=True)
p = e / s
loss = (p * w).sum()
dp = w
de = dp / s
ds = -(dp * e / s**2).sum(1, keepdim=True)
de = de + ds
dx = de * e
"""


def roots(report):
    """Return each line to blame with its cause and the corrected line."""
    return {(r.place.line, r.hand, r.cause, r.fix) for r in report.rows if r.blame == "root"}


def test_the_maximum_of_a_softmax_may_be_left_out_without_a_name(check):
    report = check(SOFTMAX)
    assert {row.verdict for row in report.rows} <= RIGHT
    assert roots(report) == set()
    assert not report.notes


def test_the_maximum_of_a_softmax_may_be_written(check):
    whole = "dx = de * e - (x == x.max(1, keepdim=True).values) * (de * e).sum(1, keepdim=True)"
    report = check(SOFTMAX.replace("dx = de * e", whole))
    assert roots(report) == set()


def test_a_mistake_beside_the_maximum_is_corrected_without_it(check):
    report = check(SOFTMAX.replace("dx = de * e", "dx = 2 * de * e"))
    assert roots(report) == {(14, "dx", "HG103", "dx = de * e")}


def source(name, old="", new=""):
    """Return a program of the benchmark with one line replaced."""
    text = (PROGRAMS / f"{name}.py").read_text()
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    "name", ["torch_norm_residual_loop", "torch_attention_steps", "numpy_lstm_bptt"]
)
def test_a_correct_program_stays_silent(check, name):
    report = check(source(name))
    assert roots(report) == set()
    assert {row.verdict for row in report.rows} <= {*RIGHT, "missing"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (  # dinp is one part of the gradient of its name, and is judged as that part
            "/ (n_embd * rms**3)",
            "/ (n_embd * rms**2)",
            (35, "dinp", "HG104"),
        ),
        ("act * (1 - act)", "act * (1 - stream)", (30, "dpre", "HG107")),
    ],
)
def test_a_residual_stream_in_a_loop_is_graded_layer_by_layer(check, old, new, expected):
    found = roots(check(source("torch_norm_residual_loop", old, new)))
    assert {(line, hand, cause) for line, hand, cause, _ in found} == {expected}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [  # do, df, di and dg are the gradients before the nonlinearity, in whatever is wrong beside
        (
            "dc = dcnext + dh",
            "dc = dh",
            (37, "dc", "HG101", "dc = dh * o[t] * (1 - ct[t] ** 2) + dcnext"),
        ),
        (
            "(1 - ct[t] ** 2)",
            "(1 - c[t] ** 2)",
            (37, "dc", "HG107", "dc = dcnext + dh * o[t] * (1 - ct[t] ** 2)"),
        ),
    ],
)
def test_a_fault_in_an_lstm_is_named_alone(check, old, new, expected):
    assert roots(check(source("numpy_lstm_bptt", old, new))) == {expected}


@pytest.mark.parametrize("join", ["np.hstack([x, h])", "np.concatenate([x, h], axis=1)"])
def test_numpy_joins_arrays_of_different_widths_in_a_list(check, join):
    report = check(
        "import numpy as np\n"
        "rng = np.random.default_rng(0)\n"
        "x, h = rng.normal(size=(2, 4)), rng.normal(size=(2, 5))\n"
        "W = rng.normal(size=(9, 3))\n"
        f"z = {join}\n"
        "y = z @ W\n"
        "loss = (y**2).sum()\n"
        "dy = 2 * y\n"
        "dz = dy @ W.T\n"
        "dh = dz[:, 4:]\n"
    )
    assert {row.hand: row.verdict for row in report.rows if row.hand} == dict.fromkeys(
        ("dy", "dz", "dh"), "rounding"
    )
