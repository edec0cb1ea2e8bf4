"""NumPy programs: right ones are called right, wrong lines are named and corrected in NumPy."""

import ast

import numpy as np
import pytest

import handgrad
from checker.core.programs_of_numpy import PROGRAMS
from handgrad.errors import CheckError

HEAD = "import numpy as np\nnp.random.seed(0)\n"


@pytest.mark.parametrize(("hands", "code"), PROGRAMS.values(), ids=PROGRAMS)
def test_right_gradients_are_called_right(check, hands, code):
    report = check(HEAD + code)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert sorted({row.hand for row in rows}) == sorted(hands.split())
    assert {note.code for note in report.notes} <= {"HG202", "HG214"}


MISTAKES = {
    "dscores /= 8": ("pass", "dscores",
        "All of dscores is scores.shape[0] times the correct gradient.",
        "dscores /= scores.shape[0]"),
    "db2 = np.sum(dscores, axis=0)": ("db2 = np.mean(dscores, axis=0)", "db2",
        "This line takes the mean; the sum is correct.",
        "db2 = np.sum(dscores, axis=0)"),
    "db1 = dz1.sum(axis=0)": ("db1 = dz1.sum(axis=1)", "db1",
        "sum runs along dimension 1; dimension 0 is correct.",
        "db1 = dz1.sum(axis=0)"),
    "dW2 = h.T.dot(dscores)": ("dW2 = z1.T.dot(dscores)", "dW2",
        "z1 is used where h belongs.",
        "dW2 = h.T.dot(dscores)"),
    "dz1 = dh * (z1 > 0)": ("dz1 = dh * z1", "dz1",
        "The derivative in `h = np.maximum(0, z1)` is z1 > 0; this line has the input z1 itself.",
        "dz1 = dh * (z1 > 0)"),
    "dscores[np.arange(8), y] -= 1": ("dscores[np.arange(8), y] += 1", "dscores",
        "The sign of 1 is wrong.",
        "dscores[np.arange(8), y] -= 1"),
    "dW1 = X.T.dot(dz1)": ("dW1 = -X.T.dot(dz1)", "dW1",
        "Wrong sign: this is the negative of the correct gradient.",
        "dW1 = X.T.dot(dz1)"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "mistake"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_named_and_corrected_in_numpy(check, line, mistake):
    wrong, hand, message, fix = mistake
    code = PROGRAMS["two layers"][1]
    assert code.count(line) == 1
    rows = check(HEAD + code.replace(line, wrong)).rows
    roots = {row.hand: (row.message, row.fix) for row in rows if row.blame == "root"}
    assert roots == {hand: (message, fix)}


def test_a_function_that_is_not_followed_is_named(check):
    code = "A = np.random.randn(4, 4)\nu, s, v = np.linalg.svd(A)\nloss = s.sum()\ndA = u @ v\n"
    with pytest.raises(CheckError, match=r"this is NumPy code that uses np\.linalg\.svd, which"):
        check(HEAD + code)


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, _ = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.mean(dout, axis=0)
    return dx, dw, db


def test_two_functions_of_arrays():
    draw = np.random.default_rng(0).normal
    inputs = draw(size=(4, 2, 3)), draw(size=(6, 5)), np.zeros(5)
    rows = handgrad.check(affine_forward, affine_backward, inputs).rows
    assert {row.hand: row.verdict == "wrong" for row in rows} == {
        "dx": False, "dw": False, "db": True,
    }  # fmt: skip
    assert next(row.fix for row in rows if row.hand == "db") == "db = np.sum(dout, axis=0)"


def test_watch_of_arrays():
    W = np.random.default_rng(0).normal(size=(3, 2))
    with handgrad.watch() as w:
        x = np.ones((2, 3))
        z = x @ W
        loss = (z**2).sum()
        dz = 2 * z
        dW = x.T @ z
        report = w.check()
    assert {row.hand: row.message for row in report.rows if row.blame == "root"} == {
        "dW": "z is the forward value; its gradient dz belongs here."
    }
    assert {type(value) for value in (x, z, dz, dW, W)} == {np.ndarray}
    assert type(loss) is np.float64


def test_the_programs_own_results_do_not_change(capsys):
    """A recorded program prints what it prints alone, to the last digit."""
    from checker.sessions import run
    from handgrad.checker.session import Session

    for _, code in PROGRAMS.values():
        source = f"{HEAD}{code}\nprint([float(v.sum()) for v in globals().copy().values()"
        source += " if isinstance(v, np.ndarray)])\n"
        ast.parse(source)
        exec(compile(source, "plain", "exec"), {"__name__": "__main__"})
        plain = capsys.readouterr().out
        run(Session(), source, {"__name__": "__main__"})
        assert capsys.readouterr().out == plain
