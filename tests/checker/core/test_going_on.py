"""A gradient that is changed on the spot into the next one: `dh = ...`, then `dh[h <= 0] = 0`."""

import pytest

NET = """
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.standard_normal((16, 6)), rng.integers(0, 3, 16)
W1, b1 = rng.standard_normal((6, 8)), np.zeros(8)
W2, b2 = rng.standard_normal((8, 3)), np.zeros(3)
pre = X @ W1 + b1
hid = np.maximum(pre, 0)
scores = hid.dot(W2) + b2
probs = np.exp(scores - scores.max(axis=1, keepdims=True))
probs = probs / probs.sum(axis=1, keepdims=True)
loss = -np.log(probs[np.arange(16), y]).mean()
dscores = probs.copy()
dscores[np.arange(16), y] -= 1
dscores /= 16
dW2 = hid.T @ dscores
db2 = dscores.sum(0)
dhid = dscores @ W2.T
{step}
dW1 = X.T @ dhid
db1 = dhid.sum(0)
"""
STEPS = {
    "a factor": "dhid *= pre > 0",
    "an index": "dhid[pre <= 0] = 0",
    "out=": "np.multiply(dhid, pre > 0, out=dhid)",
    "the name again": "dhid = dhid * (pre > 0)",
}
UPSTREAM = {
    "dscores": ("dscores /= 16", "dscores /= 8"),
    "dW2": ("dW2 = hid.T @ dscores", "dW2 = hid.T @ dscores / 16"),
    "dhid": ("dhid = dscores @ W2.T", "dhid = 2 * dscores @ W2.T"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_all_is_right(check, step):
    rows = [row for row in check(NET.replace("{step}", step)).rows if row.hand]
    assert {row.hand for row in rows} >= {"dscores", "dW2", "db2", "dhid", "dW1", "db1"}
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(("hand", "mistake"), UPSTREAM.items(), ids=UPSTREAM)
def test_a_mistake_above_it_is_named_alone(check, step, hand, mistake):
    was, now = mistake
    assert was in NET
    rows = check(NET.replace("{step}", step).replace(was, now)).rows
    assert [row.hand for row in rows if row.blame == "root"] == [hand]


WRONG = {
    "a factor": ("dhid *= pre < 0", "HG130", "dhid *= pre >= 0"),
    "the name again": ("dhid = dhid * (pre < 0)", "HG109", None),
}


@pytest.mark.parametrize(("step", "cause", "fix"), WRONG.values(), ids=WRONG)
def test_a_wrong_step_is_named_alone(check, step, cause, fix):
    rows = check(NET.replace("{step}", step)).rows
    roots = [(row.statement, row.cause, row.fix) for row in rows if row.blame == "root"]
    assert roots == [(step, cause, fix)]


def test_a_forgotten_step_is_missing_where_it_is_read(check):
    rows = check(NET.replace("{step}", "")).rows
    right = {row.hand for row in rows if row.verdict in ("exact", "rounding")}
    assert right == {"dscores", "dW2", "db2", "dhid"}
    roots = [(row.hand, row.cause) for row in rows if row.blame == "root"]
    assert roots == [("dW1", "HG109")]  # db1 for the same reason
