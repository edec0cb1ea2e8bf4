"""A file is left once its gradients by hand are recorded, unless a later line may need the rest."""

from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.checker.records import Place
from handgrad.checker.run.run import check_file

LEFT = (
    "the run ended here, after 2 steps of this loop: no line that was still to run computes a "
    "gradient by hand. --whole runs the whole file."
)
WHOLE = "recording of this loop stopped after 2 steps; its other iterations ran unrecorded."
START = """\
import torch
x = torch.randn(4, 3)
W = torch.randn(3, 2)
steps = []
"""
STEP = """\
p = x @ W
loss = (p**2).sum()
dp = 2 * p
dW = x.T @ dp
W = W - 0.01 * dW
steps.append(loss.item())
"""


def indented(code: str, by: int = 4) -> str:
    return "".join(" " * by + line for line in code.splitlines(keepends=True))


LOOP = "for i in range(50):\n" + indented(STEP)
MAIN = "def main():\n    global W\n" + indented(LOOP) + "main()\n"
EPOCHS = "for epoch in range(3):\n    for i in range(50):\n" + indented(STEP, 8)
COUNTED = "open('count', 'w').write(str(len(steps)))\n"


def notes(path: Path, whole: bool = False) -> tuple[list[str], str]:
    """The messages about loops, and the number of steps that the file says it made."""
    outcome = check_file(path, whole=whole)
    assert outcome.report.ok
    assert outcome.report.errors == ()
    assert {row.hand for row in outcome.report.rows} >= {"dp", "dW"}
    count = path.parent / "count"
    found = [n.message for n in outcome.report.notes if n.code == "HG214"]
    return found, count.read_text() if count.exists() else ""


@pytest.mark.parametrize("loop", [LOOP, MAIN, EPOCHS])
@pytest.mark.parametrize(
    "after",
    [
        "",
        "print(torch.tensor(steps).view(-1, 10).mean(1))\n",
        "data = [sum(steps)]\ndevice = 'cpu'\n",
        "@torch.no_grad()\ndef evaluate():\n    return ((x @ W)**2).mean()\nevaluate()\n",
        "def unused(p):\n    dq = 2 * p\n    return dq\n",
    ],
)
def test_nothing_to_grade_follows(tmp_path: Path, loop: str, after: str) -> None:
    """Lines that would fail after two steps do not run."""
    path = tmp_path / "s.py"
    path.write_text(START + loop + after + COUNTED)
    assert notes(path) == ([LEFT], "")
    assert notes(path, whole=True)[1] in ("50", "150")


@pytest.mark.parametrize("loop", [LOOP, MAIN])
@pytest.mark.parametrize(
    "after",
    [
        "q = x @ W\nloss = (q**2).sum()\ndq = 2 * q\n",
        "dW /= 4\ndW *= 4\n",
        "def backward(q):\n    return 2 * q\nq = x @ W\nbackward(q)\n",
        "grads = {}\nq = x @ W\ngrads['q'] = 2 * q\n",
        "delta = 2 * (x @ W)\n",
        "class Net:\n    def step(self):\n        q = x @ W\n        dq = 2 * q\nNet().step()\n",
    ],
)
def test_a_gradient_by_hand_follows(tmp_path: Path, loop: str, after: str) -> None:
    """The loop runs to its end, as that line may need its result."""
    path = tmp_path / "s.py"
    loop = loop.replace("global W", "global W, dW")
    path.write_text(START + loop + COUNTED + after)
    check_file(path)
    assert (tmp_path / "count").read_text() == "50"


def test_a_second_loop_in_the_epoch(tmp_path: Path) -> None:
    """Gradients that have not run yet in an enclosing loop count; those that have do not."""
    second = "    for i in range(50):\n        q = x @ W\n        loss = (q**2).sum()\n"
    second += "        dq = 2 * q\n"
    second += "        dW = x.T @ dq\n        W = W - 0.01 * dW\n"
    path = tmp_path / "s.py"
    path.write_text(START + EPOCHS + second + COUNTED)
    report = check_file(path).report
    assert {row.hand for row in report.rows} >= {"dp", "dW", "dq"}
    assert [(n.message, n.place) for n in report.notes if n.code == "HG214"] == [
        (WHOLE, Place(6)),
        (LEFT, Place(13)),
    ]


def test_a_notebook(notebook: Writer) -> None:
    """Later cells with magics, plots and samples do not run; cells with gradients do."""
    plot = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot(1 / 0)"
    path = notebook(START, LOOP, plot, "!ls\nsample = x @ W")
    report = check_file(path).report
    assert report.errors == ()
    assert [n.message for n in report.notes] == [LEFT]
    path = notebook(START, LOOP, "%time 1", "q = x @ W\nloss = (q**2).sum()\ndq = 2 * q")
    report = check_file(path).report
    assert {row.hand for row in report.rows} >= {"dp", "dW", "dq"}
    assert WHOLE in [n.message for n in report.notes]
