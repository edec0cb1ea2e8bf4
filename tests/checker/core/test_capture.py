"""Recording changes nothing that the user can see, and keeps what is asked for later."""

import random
import traceback

import numpy as np
import pytest
import torch

from checker.sessions import run
from handgrad.checker.record.trace import Barrier, Bind, Op
from handgrad.checker.session import Session

PROGRAM = """
import random
import numpy as np
import torch
import torch.nn.functional as F
x = torch.randn(6, 4)
w = torch.randn(4, 3, requires_grad=True)
y = x @ w
y.retain_grad()
h = F.dropout(y.tanh(), 0.3)
loss = (h**2).mean() + random.random() + np.random.rand()
loss.backward()
dh = 2 * h / h.numel()
dw = x.T @ (dh * (1 - y.tanh() ** 2))
w.data -= 0.1 * w.grad
after = torch.rand(3), random.random(), np.random.rand()
"""


def ran(code, session=None):
    """Run `code` from fixed seeds, plainly or recorded, and return the names that it defined."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - what a user's file draws from
    names = {}
    if session is None:
        exec(compile(code, "plain", "exec"), names)
        return names
    run(session, code, names)
    return names


def test_the_same_bits_and_the_same_random_numbers_come_out():
    plain, session = ran(PROGRAM), Session()
    recorded = ran(PROGRAM, session)
    for name in ("x", "w", "y", "h", "loss", "dh", "dw"):
        assert torch.equal(plain[name], recorded[name]), name
    assert torch.equal(plain["w"].grad, recorded["w"].grad)
    assert torch.equal(plain["y"].grad, recorded["y"].grad)
    assert torch.equal(plain["after"][0], recorded["after"][0])
    assert plain["after"][1:] == recorded["after"][1:]
    assert session.recorder.failures == []


def test_grading_leaves_the_tensors_alone():
    session = Session()
    names = ran(PROGRAM, session)
    before = {name: names[name].detach().clone() for name in ("x", "w", "y", "h", "dh", "dw")}
    state = torch.get_rng_state()
    session.finish("it")
    assert all(torch.equal(names[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_autograds_gradients_are_its_own_bits():
    session = Session()
    names = ran(PROGRAM, session)
    (event,) = [e for e in session.recorder.trace.events if type(e).__name__ == "Backward"]
    binds = {b.name: b.index for b in session.recorder.trace.of(Bind)}
    assert torch.equal(event.gradients[binds["y"]], names["y"].grad)


def test_a_traceback_is_the_users_own():
    session = Session()
    code = "a = 1\n\n\nb = (\n    a /\n    0\n)\n"
    with pytest.raises(ZeroDivisionError) as raised:
        ran(code, session)
    frames = list(traceback.extract_tb(raised.value.__traceback__))
    assert (frames[-1].filename, frames[-1].lineno) == ("it.py", 5)


def test_values_are_had_back_as_they_were_at_any_moment():
    session = Session()
    ran("import torch\na = torch.zeros(3)\na += 1\nb = a.clone()\na[0] = 7\na *= 2\n", session)
    trace = session.recorder.trace
    values = [trace.at(b.value, b.index).tolist() for b in trace.of(Bind) if b.name == "a"]
    assert values == [[0, 0, 0], [1, 1, 1], [7, 1, 1], [14, 2, 2]]


def test_a_write_through_another_name_is_seen_as_such():
    session = Session()
    ran("import torch\na = torch.zeros(3)\nb = a\nb += 1\nc = b.clone()\nc += 1\n", session)
    binds = session.recorder.trace.of(Bind)
    seen = [(b.name, b.kind, b.alias) for b in binds]
    assert seen == [
        ("a", "assign", False),
        ("b", "assign", False),
        ("a", "update", True),
        ("b", "update", False),
        ("c", "assign", False),
        ("c", "update", False),
    ]


def test_a_parameter_is_no_other_name_to_write_through():
    session = Session()
    code = "import torch\ndef f(q):\n    return q.sum()\na = torch.zeros(3)\nf(a)\na += 1\n"
    ran(code, session)
    seen = [(b.name, b.kind) for b in session.recorder.trace.of(Bind)]
    assert seen == [("a", "assign"), ("q", "param"), ("a", "update")]


LOOP = """
import torch
w = torch.ones(3, requires_grad=True)
for i in range(1000):
    loss = (w**2).sum()
    loss.backward()
    dw = 2 * w
    with torch.no_grad():
        w -= 0.001 * w.grad
    w.grad = None
"""


@pytest.mark.parametrize("steps", [None, 1, 5])
def test_a_training_loop_is_recorded_for_some_steps_only(steps):
    session = Session(max_steps=steps)
    recorded = ran(LOOP, session)
    assert torch.equal(recorded["w"], ran(LOOP)["w"])
    trace = session.recorder.trace
    assert sum(b.name == "dw" for b in trace.of(Bind)) == (steps or 2)
    (barrier,) = trace.of(Barrier)
    assert barrier.statement.text == "for i in range(1000):"


def test_a_loop_over_elements_or_time_is_recorded_to_its_end():
    session = Session()
    ran(
        "import torch\nw = torch.ones(50)\nloss = (w**2).sum()\ndw = torch.zeros(50)\n"
        "for i in range(50):\n    dw[i] = 2 * w[i]\n",
        session,
    )
    assert session.recorder.trace.of(Barrier) == []
    assert sum(b.name == "dw" for b in session.recorder.trace.of(Bind)) == 51


def test_a_long_loop_without_a_gradient_is_left_unrecorded():
    session = Session()
    code = "import torch\nx = torch.ones(3)\nfor i in range(30000):\n    x = x * 1.0\n"
    recorded = ran(code, session)
    assert torch.equal(recorded["x"], torch.ones(3))
    assert 20_000 < len(session.recorder.trace) < 20_100


def test_a_loop_that_is_cut_and_then_raises_ends_cleanly():
    session = Session()
    with pytest.raises(ValueError, match="stop"):
        ran(LOOP + "    if i == 7:\n        raise ValueError('stop')\n", session)
    with session.recording():
        torch.ones(3)
    assert type(session.recorder.trace.events[-1]) is Op
    assert torch.overrides._get_current_function_mode() is None


def test_the_mode_of_the_user_on_top_of_ours_stays():
    session = Session()
    code = LOOP.replace("for i", "with torch.device('cpu'):\n  for i").replace("\n    ", "\n      ")
    recorded = ran(code, session)
    assert torch.equal(recorded["w"], ran(LOOP)["w"])
    assert sum(b.name == "dw" for b in session.recorder.trace.of(Bind)) == 2
    assert torch.overrides._get_current_function_mode() is None
