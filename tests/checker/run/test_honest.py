"""Work that is not the student's: what autograd computed, replaced functions, cut exercises."""

import csv
from pathlib import Path

import nbformat
import pytest

from handgrad.checker.records import Exercised, Row
from handgrad.checker.run.exercised import read_exercise
from handgrad.checker.run.run import check_file
from handgrad.checker.run.source import read_source
from handgrad.cli import run

Captured = pytest.CaptureFixture[str]
FORWARD = """\
import torch

torch.manual_seed(1)
x = torch.randn(8, 3)
W = torch.randn(3, 2, requires_grad=True)
b = torch.randn(2, requires_grad=True)

h = x @ W + b
a = torch.tanh(h)
loss = (a**2).mean()
"""
BEGIN = FORWARD + "a.retain_grad()\nh.retain_grad()\nloss.backward(retain_graph=True)\n"
BY_HAND = """\
da = 2 * a / a.numel()
dh = da * (1 - a**2)
dW = x.T @ dh
db = dh.sum(0)
"""
COPIED = {
    "torch.autograd.grad": ("dh, dW, db = torch.autograd.grad(loss, [h, W, b])", "dh dW db"),
    "by keywords": ("dW = torch.autograd.grad(outputs=loss, inputs=[W])[0]", "dW"),
    "clone": ("dh = h.grad.clone() * 1.0\ndW = W.grad + 0 * W\ndb = b.grad.view(2)", "dh dW db"),
    "lists": ("dW = torch.tensor(W.grad.numpy().tolist())", "dW"),
    "transposed lists": ("dW = torch.tensor(W.grad.T.tolist()).T + 0", "dW"),
    "items": (
        "dh = torch.zeros_like(h)\nfor i in range(8):\n"
        "    for j in range(2): dh[i, j] = float(h.grad[i, j])",
        "dh",
    ),
    "NumPy": ("import numpy as np\nda = torch.from_numpy(np.array(a.grad.numpy()))", "da"),
    "of a copy": (
        "V = W.detach().clone().requires_grad_()\n"
        "(torch.tanh(x @ V + b) ** 2).mean().backward()\ndW = V.grad.clone()",
        "dW",
    ),
    "a hook": (
        "kept = []\nh.register_hook(kept.append)\nloss.backward()\ndh = kept[0]",
        "dh",
    ),
    "torch.func": (
        "db = torch.func.grad(lambda v: (torch.tanh(x @ W + v) ** 2).mean())(b)",
        "db",
    ),
    "accumulated": (
        "W.grad = torch.zeros_like(W)\nloss.backward()\ndW = W.grad.clone()",
        "W.grad dW",
    ),
}
HONEST = {
    "by hand, and compared": BY_HAND
    + "print((dW - W.grad).abs().max().item(), W.grad.tolist(), torch.allclose(db, b.grad))",
    "compared first": "print(W.grad.tolist(), b.grad.numpy())\n" + BY_HAND,
    "its own .grad": (
        "W.grad = b.grad = None\nda = 2 * a / a.numel()\ndh = da * (1 - a**2)\n"
        "W.grad = x.T @ dh\nb.grad = dh.sum(0)\ndW = W.grad\ndb = b.grad"
    ),
    "numbers": "W.grad.tolist()\n" + BY_HAND + "dloss = torch.tensor(1.0)",
    "in NumPy": (
        "import numpy as np\nprint(W.grad.numpy())\nA, X = a.detach().numpy(), x.numpy()\n"
        "da = 2 * A / A.size\ndh = da * (1 - A**2)\ndW = X.T @ dh\ndb = dh.sum(0)"
    ),
    "an autograd.Function": (
        "class Square(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, u):\n        ctx.save_for_backward(u)\n        return u**2\n"
        "    @staticmethod\n"
        "    def backward(ctx, dy):\n        (u,) = ctx.saved_tensors\n"
        "        dout = dy.clone()\n        du = 2 * u * dout\n        return du\n"
        "u = torch.randn(3, requires_grad=True)\ny = Square.apply(u)\nloss = y.sum() * 3\n"
        "y.register_hook(lambda g: None)\nloss.backward()\nprint(u.grad.tolist())\n"
    ),
    "tangled upstream": "print(W.grad.tolist())\ndh = h.grad * 1.0\ndW = x.T @ dh\ndb = dh.sum(0)",
}


def marked(folder: Path, source: str) -> list[str]:
    (folder / "s.py").write_text(source)
    report = check_file(folder / "s.py").report
    assert report.ok
    assert any(row.hand for row in report.rows)
    return [row.hand or "" for row in report.rows if row.copied]


@pytest.mark.parametrize(("source", "names"), COPIED.values(), ids=COPIED)
def test_gradients_from_autograd(source: str, names: str, tmp_path: Path) -> None:
    assert marked(tmp_path, BEGIN + source) == names.split()


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST)
def test_gradients_by_hand(source: str, tmp_path: Path) -> None:
    """The last takes h's gradient from autograd, and computes dW and db by hand."""
    expected = ["dh"] if "h.grad" in source else []
    assert marked(tmp_path, BEGIN + source) == expected


COPY_REPORT = """\
s.py

Right
  ✓ dW    line 14  f32[3,2]  exact, from autograd

Not written yet: da, dh, db

To look at: from autograd: 1

Notes
  line 14  dW is computed from W.grad, which autograd computed: this gradient is not by hand and
           needs backward() to run. [HG204]

1 gradient by hand: 1 exact; 3 not written yet.
"""
PATCHES = """\
dW = 3 * (x.T @ (2 * a / a.numel() * (1 - a**2)))
torch.Tensor.abs = lambda self: torch.zeros_like(self)
torch.equal = lambda *tensors: True
torch.autograd.grad = lambda *tensors, **options: [torch.zeros(3, 2)]
import handgrad.checker.pairs.verdict as verdict
verdict.judge = lambda *tensors: ("exact", 0.0)
verdict.verdict_on.__code__ = (lambda *all: None).__code__
import handgrad.checker.records as records
records.ReportData.ok = property(lambda self: True)
"""
PATCHED_NOTE = (
    "the file replaces handgrad.checker.pairs.verdict.verdict_on, torch.equal, torch.autograd.grad,"
    " handgrad.checker.pairs.verdict.judge and handgrad.checker.records.ReportData.ok and others;"
    " it was graded with the original"
)


def test_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text(BEGIN + "dW = W.grad.clone()\n")
    assert run(["check", "s.py"]) == 0
    assert capsys.readouterr().out == COPY_REPORT


def test_replaced_functions(tmp_path: Path) -> None:
    """The wrong gradient stays wrong, and its reason is found."""
    (tmp_path / "s.py").write_text(BEGIN + PATCHES)
    report = check_file(tmp_path / "s.py").report
    (row,) = [row for row in report.rows if row.hand]
    assert (row.verdict, row.fix) == (
        "wrong",
        "dW = x.T @ (2 * a / a.numel() * (1 - a**2))",
    )
    assert [note.message for note in report.notes if note.code == "HG285"] == [PATCHED_NOTE]
    assert not report.ok


def test_a_function_under_a_name_of_its_own(tmp_path: Path) -> None:
    source = BEGIN + "torch.Tensor.twice = lambda self: 2 * self\nda = (a / a.numel()).twice()\n"
    (tmp_path / "s.py").write_text(source)
    report = check_file(tmp_path / "s.py").report
    assert [note.code for note in report.notes] == []


LINES = dict(line.split(" = ", 1) for line in BY_HAND.splitlines())
CUT = "forward pass differs from the exercise, 1 of 4 gradients present"
TABLE = f"""\
file         result      right  wrong  shape  missing  to blame, or what happened
good.ipynb   ok              4      0      0        0
half.ipynb   unfinished      2      0      0        2  2 of 4 gradients present
clone.ipynb  suspect         4      0      0        0  from autograd: 2
cut.ipynb    suspect         1      0      0        1  {CUT}
own.ipynb    ok              4      0      0        0

5 files: 2 all correct, 1 correct so far, 2 to look at.
"""
SHEET = {
    "good.ipynb": ("1.0", "0", "4 of 4", "as in the exercise", ""),
    "half.ipynb": ("0.5", "0", "2 of 4", "as in the exercise", "2 of 4 gradients present"),
    "clone.ipynb": ("0.5", "2", "4 of 4", "as in the exercise", "from autograd: 2"),
    "cut.ipynb": ("0.25", "0", "1 of 4", "differs", CUT.replace(",", ";")),
    "own.ipynb": ("1.0", "0", "4 of 4", "as in the exercise", ""),
}


def test_a_class_with_its_exercise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("forward.py").write_text(FORWARD)
    assert run(["exercise", "forward.py", "-o", "exercise.ipynb"]) == 0
    copied = LINES | {"dW": "torch.tensor(W.grad.numpy().tolist())", "db": "b.grad.clone()"}
    easier = {"h = x @ W + b": "pass", "torch.tanh(h)": "torch.tanh(b.repeat(8, 1))"}
    hand_in("good", LINES)
    hand_in("half", {"da": LINES["da"], "dh": LINES["dh"]})
    hand_in("clone", copied)
    hand_in("cut", {"da": LINES["da"], "dh": None, "dW": None, "db": None}, easier)
    prints = {"torch.tanh(h)": "torch.tanh(h)\nprint(h.shape)\nshown = h.detach()"}
    hand_in("own", LINES | {"db": f"{LINES['db']}\nW.data -= 0.1 * dW\nstep = 0.1"}, prints)
    capsys.readouterr()
    files = [f"{name}.ipynb" for name in ("good", "half", "clone", "cut", "own")]
    wanted = ["--exercise", "exercise.ipynb", "--csv", "grades.csv"]
    assert run(["check", *files, *wanted]) == 1
    assert capsys.readouterr().out == TABLE
    with open("grades.csv", encoding="utf-8-sig", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    columns = ("score", "from_autograd", "present", "forward", "marks")
    assert {name: tuple(rows[name][c] for c in columns) for name in rows} == SHEET


def hand_in(
    name: str, lines: dict[str, str | None] | dict[str, str], changes: dict[str, str] | None = None
) -> None:
    """Write a student's notebook: the exercise with these lines, and with changes of its text."""
    notebook = nbformat.read("exercise.ipynb", 4)
    for cell in notebook.cells:
        blank, _, rest = cell.source.partition(" = ...")
        if rest and blank in lines:
            line = lines[blank]
            cell.source = "" if line is None else f"{blank} = {line}"
        for old, new in (changes or {}).items():
            cell.source = cell.source.replace(old, new) if cell.cell_type == "code" else cell.source
    nbformat.write(notebook, f"{name}.ipynb")


EXERCISE = FORWARD + "loss.backward()\nda = ...\ndh = ...\ndW = ...\ndb = ...\n"
TANH = "a = torch.tanh(h)\n"
KEEPS = {
    "all of it": ("", ""),
    "comments and layout": ("a = torch.tanh(h)", "a = (torch.tanh(\n    h))  # squashed"),
    "statements of its own": (TANH, f"{TANH}print(a.shape)\nmean = a.mean()\nmean.mul_(2)\n"),
    "a cell that runs again": ("da = ...", f"{TANH}da = 2 * a / a.numel()"),
    "an update of the parameters": ("db = ...", "db = da.sum(0)\nW -= dW\nb = b - 0.1 * db"),
    "a loop over a name of its own": ("db = ...", "for i in range(3):\n    print(i)"),
}
DIFFERS = {
    "a statement less": (TANH, ""),
    "another function": ("torch.tanh(h)", "torch.sigmoid(h)"),
    "another size": ("randn(8, 3)", "randn(1, 3)"),
    "another order": ("x = torch.randn(8, 3)\n", "b = torch.zeros(2)\nx = torch.randn(8, 3)\n"),
    "zeros": (TANH, f"x[:, 0] = 0\n{TANH}"),
    "zeros in-place": (TANH, f"h.data.zero_()\n{TANH}"),
    "less of a tensor": (TANH, f"h = h[:1]\n{TANH}"),
    "in a function of the same name": (TANH, f"def h(): pass\n{TANH}"),
    "another loss below": ("da = ...", "loss = a.sum()\nda = torch.ones_like(a)"),
}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [(*pair, True) for pair in KEEPS.values()] + [(*pair, False) for pair in DIFFERS.values()],
    ids=[*KEEPS, *DIFFERS],
)
def test_the_forward_pass_of_an_exercise(old: str, new: str, same: bool, tmp_path: Path) -> None:
    (tmp_path / "exercise.py").write_text(EXERCISE)
    (tmp_path / "s.py").write_text(EXERCISE.replace(old, new) if old else EXERCISE)
    exercise = read_exercise(tmp_path / "exercise.py")
    found = exercise.compared(read_source(tmp_path / "s.py"), [Row("a", "da", "exact")])
    assert found == Exercised(4, 1, same)


def test_a_file_that_is_no_exercise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(BEGIN + BY_HAND)
    assert run(["check", "a.py", "--exercise", "a.py"]) == 2
    assert capsys.readouterr().err == (
        "handgrad: --exercise a.py: found no blank such as dh = ...; name what handgrad exercise "
        "has written\n"
    )
    assert run(["check", "a.py", "--exercise", "gone.ipynb"]) == 2
    assert capsys.readouterr().err == (
        f"handgrad: --exercise gone.ipynb: no such file; looked for {tmp_path}/gone.ipynb\n"
    )
