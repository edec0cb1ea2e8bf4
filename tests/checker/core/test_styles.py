"""Whole programs in the styles of strangers: the correct ones are silent, one mistake is named."""

import pytest

from checker.core import programs_of_more_styles, programs_of_states, programs_of_styles

PROGRAMS = {
    **programs_of_styles.PROGRAMS,
    **programs_of_more_styles.PROGRAMS,
    **programs_of_states.PROGRAMS,
}
MISTAKES = [
    ("momentum list", "gz = ga*(1 - a1*a1)", "gz = ga*(1 - a1)", "HG109", "gz = ga*(1 - a1**2)"),
    ("adam dict np", "G['b1'] = d.sum(0)", "G['b1'] = d.mean(0)", "HG117", "G['b1'] = d.sum(0)"),
    ("three layer deepL", "dZ = dA*s*(1-s)", "dZ = dA*s*(1+s)", "HG102", "dZ = dA*s*(1-s)"),
    ("embedding bag", "dC.index_put_((ix,), demb, accumulate=True)",
     "dC.index_put_((ix,), demb, accumulate=False)", "HG124",
     "dC.index_put_((ix,), demb, accumulate=True)"),
    ("attention np", "d_q = d_sc @ kk/2", "d_q = d_sc @ kk", "HG103", "d_q = 0.5 * d_sc @ kk"),
    ("layernorm module", "s.db = dy.sum(0)", "s.db = dy.sum(1)", "HG113", "s.db = dy.sum(0)"),
    ("gru cell loop lists", "dh = dh*z + dc[:, D:]", "dh = dc[:, D:]", "HG101", None),
    ("network sizes class", "delta = (delta @ self.weights[i].T)*(self.z[i-1] > 0)",
     "delta = (delta @ self.weights[i].T)*(self.z[i-1] < 0)", None, None),
    ("batchnorm steps np", "dvar = dsd/(2*sd)", "dvar = dsd/sd", "HG103", "dvar = 0.5 * dsd/sd"),
    ("two heads torch", "dh = dla @ A.T + dlb @ B.T", "dh = dla @ A.T", "HG101",
     "dh += dlb @ B.T"),
    ("maxpool argmax torch", "dv = 3*v**2", "dv = 3*v", "HG104", "dv = 3*v**2"),
    ("dropout np", "delta_h = delta_hd*mask", "delta_h = delta_hd", "HG109",
     "delta_h = mask * delta_hd"),
    ("rnn many to one torch lists", "graw = gs*(1 - cur**2)", "graw = gs*(1 - prev**2)", "HG107",
     "graw = gs*(1 - cur**2)"),
    ("closures torch", "return dy * (1 - y**2)", "return dy * (1 - y)", "HG109",
     "return dy * (1 - y**2)"),
    ("closures numpy", "return G * keep", "return G * X", "HG105", None),
    ("velocity scaled in place", "dW += x.T @ do", "dW += x.T @ o", "HG106", "dW += x.T @ do"),
    ("adam in dictionaries", "d[Z <= 0] = 0", "d[Z > 0] = 0", "HG130", "d[Z <= 0] = 0"),
    ("gru with a cache", "dn = dh * (1 - z)", "dn = dh * z", "HG105", "dn = dh * (1 - z)"),
    ("function of loss and gradient", "d[np.arange(n), y] -= d.sum(axis=1)",
     "d[np.arange(n), y] -= 1", None, None),
    ("states in a list", "dhs[T] = 2 * hs[T]", "dhs[T] = hs[T]", "HG103", "dhs[T] = 2 * hs[T]"),
    ("autoencoder tied", "dW = X.T @ dZ + dR.T @ H", "dW = X.T @ dZ", "HG101", "dW += dR.T @ H"),
]  # fmt: skip
"""A program, its line, the line with a mistake, the cause and the corrected line."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_correct_program_is_called_right(check, name):
    rows = [row for row in check(PROGRAMS[name]).rows if row.hand]
    assert rows
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
    assert {row.blame for row in rows} == {None}


@pytest.mark.parametrize(("name", "right", "wrong", "cause", "fix"), MISTAKES)
def test_one_mistake_is_named_alone(check, name, right, wrong, cause, fix):
    assert right in PROGRAMS[name]
    report = check(PROGRAMS[name].replace(right, wrong, 1))
    (row,) = [row for row in report.rows if row.blame == "root"]
    assert (row.statement, row.cause, row.fix) == (wrong, cause, fix)
