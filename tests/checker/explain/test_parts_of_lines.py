"""Mistakes in one part of a line: what the cause says of them, and the corrected line."""

import pytest

from checker.explain.styles import CELL, CONVOLUTION, DICTIONARY, EMBEDDING, LAYERNORM, TANH
from checker.sessions import run_all
from handgrad.checker.session import Session

CASES = [
    (
        CELL,
        "da = dout * (1 - self.out ** 2)",
        "da = dout",
        12,
        "HG109",
        (
            "The local derivative is missing: dout must be multiplied by 1 - self.out**2, "
            "the derivative in `self.out = np.tanh(x @ self.Wx + h @ self.Wh + self.b)`."
        ),
        "da = dout * (1 - self.out**2)",
    ),
    (
        CELL,
        "self.dWh = self.h.T @ da",
        "self.dWh = self.out.T @ da",
        14,
        "HG107",
        "self.out is used where self.h belongs.",
        "self.dWh = self.h.T @ da",
    ),
    (
        CELL,
        "return da @ self.Wx.T, da @ self.Wh.T",
        "return da @ self.Wx.T, da @ self.Wh",
        16,
        "HG114",
        "self.Wh must be transposed here.",
        "return da @ self.Wx.T, da @ self.Wh.T",
    ),
    (
        EMBEDDING,
        "np.add.at(dE, ids, demb)",
        "dE[ids] += demb",
        20,
        "HG124",
        "`+=` keeps one row where ids repeats an index; np.add.at adds all of them.",
        "np.add.at(dE, ids, demb)",
    ),
    (
        EMBEDDING,
        "dlogits /= 4",
        "dlogits /= 3",
        15,
        "HG103",
        "dlogits is divided by 3; 4 is correct.",
        "dlogits /= 4",
    ),
    (
        EMBEDDING,
        "dlogits /= 4",
        "dlogits *= 4",
        15,
        "HG103",
        "dlogits is multiplied by 4; it must be divided by it.",
        "dlogits /= 4",
    ),
    (
        EMBEDDING,
        "dW = mean.T @ dlogits",
        "dW = emb[:, 0].T @ dlogits",
        16,
        "HG107",
        "emb[:, 0] is used where mean belongs.",
        "dW = mean.T @ dlogits",
    ),
    (
        DICTIONARY,
        "dh[pre <= 0] = 0",
        "dh[dh <= 0] = 0",
        16,
        "HG109",
        "The mask compares dh; it must compare hid, a forward value.",
        "dh[hid <= 0] = 0",
    ),
    (
        DICTIONARY,
        "    dh[pre <= 0] = 0\n",
        "",
        15,
        "HG109",
        (
            "The local derivative is missing: d @ P['B'].T must be multiplied by pre > 0, "
            "the derivative in `hid = np.maximum(0, pre)`."
        ),
        "dh = d @ P['B'].T * (pre > 0)",
    ),
    (
        DICTIONARY,
        "g['B'] = hid.T @ d",
        "g['B'] = pre.T @ d",
        14,
        "HG107",
        "pre is used where hid belongs.",
        "g['B'] = hid.T @ d",
    ),
    (
        CONVOLUTION,
        "dx[:, i:i + K] += np.outer(dy[:, i], w)",
        "dx[:, i:i + K] = np.outer(dy[:, i], w)",
        12,
        "HG124",
        "`=` keeps only the last value for dx[:, i:i + K]; `+=` adds all of them.",
        "dx[:, i:i + K] += np.outer(dy[:, i], w)",
    ),
    (
        CONVOLUTION,
        "dw += dy[:, i] @ x[:, i:i + K]",
        "dw += dy[:, i] @ x[:, :K]",
        13,
        "HG135",
        "x[:, :K] is used where x[:, i:i + K] belongs.",
        "dw += dy[:, i] @ x[:, i:i + K]",
    ),
    (
        CONVOLUTION,
        "dw += dy[:, i] @ x[:, i:i + K]",
        "dw = dy[:, i] @ x[:, i:i + K]",
        13,
        "HG124",
        "`=` keeps only the last iteration of the loop; `+=` adds all of them.",
        "dw += dy[:, i] @ x[:, i:i + K]",
    ),
    (
        TANH,
        "dW2 = A.T @ (dB * (1 - B ** 2))",
        "dW2 = A.T @ dB",
        12,
        "HG109",
        (
            "The local derivative is missing: dB must be multiplied by 1 - B**2, the "
            "derivative in `B = torch.tanh(A @ W2)`."
        ),
        "dW2 = A.T @ (dB * (1 - B**2))",
    ),
    (
        TANH,
        "dA = (dB * (1 - B * B)) @ W2.T",
        "dA = dB @ W2.T",
        13,
        "HG109",
        (
            "The local derivative is missing: dB must be multiplied by 1 - B**2, the "
            "derivative in `B = torch.tanh(A @ W2)`."
        ),
        "dA = dB * (1 - B**2) @ W2.T",
    ),
    (
        TANH,
        "dA = (dB * (1 - B * B)) @ W2.T",
        "dA = (dB * (1 - B)) @ W2.T",
        13,
        "HG109",
        (
            "1 - B is used where the local derivative belongs: 1 - B**2, the derivative in "
            "`B = torch.tanh(A @ W2)`."
        ),
        "dA = (dB * (1 - B**2)) @ W2.T",
    ),
    (
        LAYERNORM,
        "dxc = dxh * inv + 2 * xc * dvar / 7",
        "dxc = dxh * inv + 2 * xc * dvar / 5",
        16,
        "HG103",
        "2 * xc * dvar / 5 is off by the factor 1.4.",
        "dxc = dxh * inv + 2 * xc * dvar / 7",
    ),
    (
        LAYERNORM,
        "dxc = dxh * inv + 2 * xc * dvar / 7",
        "dxc = dxh * inv + xc * dvar / 7",
        16,
        "HG103",
        "Off by the factor 1 / 2.",
        "dxc = dxh * inv + 2 * xc * dvar / 7",
    ),
    (
        LAYERNORM,
        "dx = dxc + dmu / 7",
        "dx = dxc + dmu",
        18,
        "HG103",
        "dmu is off by the factor x.shape[1] = 7 (the columns of x).",
        "dx = dxc + dmu / x.shape[1]",
    ),
    (
        LAYERNORM,
        "dxh = dout * g",
        "dxh = dout + g",
        13,
        "HG109",
        "dout + g adds where the chain rule multiplies: dout * g.",
        "dxh = dout * g",
    ),
]


def blamed(program):
    """Return the lines that the report on a program blames: number, cause, message, correction."""
    session = Session()
    assert run_all(session, program, {}) == []
    rows = session.finish("it").rows
    return [(r.place.line, r.cause, r.message, r.fix) for r in rows if r.blame == "root"]


@pytest.mark.parametrize(("program", "right", "wrong", "line", "cause", "message", "fix"), CASES)
def test_the_part_is_named(program, right, wrong, line, cause, message, fix) -> None:
    assert blamed(program.replace(right, wrong)) == [(line, cause, message, fix)]


@pytest.mark.parametrize("program", dict.fromkeys(case[0] for case in CASES))
def test_the_correct_program_is_not_blamed(program) -> None:
    assert blamed(program) == []
