"""The description of a forward pass: its loss, and its tensors in backward order."""

import re
from collections.abc import Callable

import pytest
from benchmarks.proving.program import AUTOGRAD, BACKWARD, FORWARD, SETUP, hand_names

from handgrad.checker.exercise.described import Forward, ForwardTensor
from handgrad.errors import CheckError

Run = Callable[..., Forward]
SIZES = "import torch\nimport torch.nn.functional as F\nseed, dtype = 1, torch.float32\n"
SIZES += "n, block_size, n_embd, n_hidden, vocab_size = 13, 2, 5, 9, 7\n"
PROGRAM = SIZES + SETUP + FORWARD + AUTOGRAD
SMALL = """\
import torch
x = torch.ones(3, 2)
w = torch.ones(2, requires_grad=True)
h = x @ w
loss = (h**2).sum() + h.mean()
"""


def test_the_lectures_forward_pass(forward: Run) -> None:
    found = forward(PROGRAM)
    assert {f"d{node.name}" for node in found.tensors} == set(hand_names())
    lines = PROGRAM.split("\n")
    assert lines[found.line - 1] == "loss = -logprobs[torch.arange(n), Yb].mean()"
    assert (found.loss, found.cell, found.last_line, found.by_hand) == (
        "loss",
        None,
        found.line,
        (),
    )
    by_name = {node.name: node for node in found.tensors}
    assert by_name["counts_sum"] == ForwardTensor(
        "counts_sum", (13, 1), ("counts_sum_inv = counts_sum**-1",)
    )
    assert by_name["counts"].readers == (
        "probs = counts * counts_sum_inv",
        "counts_sum = counts.sum(1, keepdim=True)",
    )


def test_each_gradient_follows_those_that_it_needs(forward: Run) -> None:
    """A line can be differentiated once the gradient of its result is known."""
    nodes = forward(PROGRAM).tensors
    there = {"loss"}
    for node in nodes:
        needed = {re.match(r"\w+", line)[0] for line in node.readers}  # type: ignore[index]
        assert needed <= there, node.name
        there.add(node.name)


def test_tensors_of_a_line_are_in_the_order_of_its_text(forward: Run) -> None:
    names = [node.name for node in forward(PROGRAM).tensors]
    assert names[names.index("h") : names.index("h") + 3] == ["h", "W2", "b2"]
    assert names[-5:] == ["embcat", "W1", "b1", "emb", "C"]


def test_a_loss_that_backward_is_never_called_on(forward: Run) -> None:
    assert forward(SMALL) == Forward(
        "loss",
        None,
        5,
        5,
        (
            ForwardTensor("h", (3,), ("loss = (h**2).sum() + h.mean()",)),
            ForwardTensor("w", (2,), ("h = x @ w",)),
        ),
        (),
    )


def test_the_cell_and_the_last_line_of_the_loss(forward: Run) -> None:
    found = forward([SMALL[: SMALL.index("loss")], "\nloss = (\n    h.sum()\n)\nloss.backward()"])
    assert (found.cell, found.line, found.last_line) == (2, 2, 4)


def test_gradients_by_hand_are_named(forward: Run) -> None:
    assert set(forward(PROGRAM + BACKWARD).by_hand) == set(hand_names())


def test_only_names_that_a_line_can_read(forward: Run) -> None:
    """Local variables of a function and elements of a list have no blank."""
    code = SMALL.replace(
        "h = x @ w", "def f(x):\n    z = x @ w\n    return z * 2\nh = f(x)\nhs = [h * 1]"
    )
    code = code.replace("h.mean()", "hs[0].mean()")
    assert [node.name for node in forward(code).tensors] == ["h", "w"]


def test_the_longest_of_several_passes(forward: Run) -> None:
    code = "import torch\nv = torch.ones(2, requires_grad=True)\nwarm_loss = v.sum()\n"
    assert forward(code + "warm_loss.backward()\n" + SMALL).loss == "loss"


def test_a_name_set_twice_is_the_last(forward: Run) -> None:
    found = forward(SMALL.replace("loss =", "h = h * 2\nloss ="))
    assert [(node.name, node.readers[0][:4]) for node in found.tensors] == [
        ("h", "loss"),
        ("w", "h = "),
    ]


def test_the_solution_is_derived_on_request(forward: Run) -> None:
    assert forward(SMALL).derived == ()
    assert any(line.startswith("dw = ") for line in forward(SMALL, solved=True).derived)


NO_LOSS = "no gradient to write: no loss was computed from a tensor with requires_grad=True"
WANTED = "; set requires_grad=True on the parameters, and assign the result to loss"
NO_NAME = (
    "has no name at the top level of the file; an exercise needs a line such as loss = ... outside"
    " any function"
)
ONE_LOSS = "an exercise needs one loss that is a single number"
BEFORE, LOSS = SMALL[: SMALL.index("loss")], SMALL[SMALL.index("loss") :]
REFUSED = {
    "no loss": ("import torch\nx = torch.ones(3)", NO_LOSS + WANTED),
    "no gradient": (SMALL.replace("requires_grad=True", "dtype=None"), NO_LOSS + WANTED),
    "it failed on the way": ([BEFORE, "1 / 0", "pass"], NO_LOSS),
    "a cell failed before": (
        ["import torch\n1 / 0", SMALL],
        "an exercise needs a forward pass that runs",
    ),
    "in a function": (
        f"{BEFORE}def f():\n    {LOSS}    return loss\nf().backward()",
        f"the loss (line 6) {NO_NAME}",
    ),
    "without a name": (f"{BEFORE}(h**2).sum().backward()", f"the loss {NO_NAME}"),
    "two at once": (BEFORE + "torch.autograd.backward([h.sum(), h.mean()])", ONE_LOSS),
    "many numbers": (BEFORE + "h.backward(torch.ones(3))", ONE_LOSS),
}


@pytest.mark.parametrize(("code", "line"), REFUSED.values(), ids=REFUSED)
def test_refused(code: str, line: str, forward: Run) -> None:
    with pytest.raises(CheckError) as caught:
        forward(code)
    assert str(caught.value) == f"f.py: {line}"
