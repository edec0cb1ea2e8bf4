"""`handgrad derive`: output, files, refusals, and notebooks found in the wild."""

import json
import shutil
from pathlib import Path

import pytest

from handgrad.cli import run
from tiny import command

Captured = pytest.CaptureFixture[str]

FORWARD = """\
import torch

torch.manual_seed(1)
x = torch.randn(32, 10)
w = torch.randn(10, 20, requires_grad=True)
b = torch.randn(20, requires_grad=True)
hpre = x @ w + b
h = torch.tanh(hpre)
loss = (h**2).mean()
"""
LINES = """\
# loss = (h**2).mean()
dh = 2 * h / h.numel()
# h = torch.tanh(hpre)
dhpre = (1 - h**2) * dh
# hpre = x @ w + b
db = dhpre.sum(0)
dw = x.T @ dhpre
"""
COUNTS = "4 of 4 gradients: 4 correct up to rounding.\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with forward.py in it."""
    (tmp_path / "forward.py").write_text(FORWARD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("fresh_children")
def test_it_prints_the_lines_and_the_counts(capsys: Captured) -> None:
    assert command(capsys, "derive", "forward.py") == (0, f"{LINES}\n{COUNTS}", "")
    assert Path("forward.py").read_text() == FORWARD


def test_node_selects_the_gradient_of_one_tensor(capsys: Captured) -> None:
    expected = (
        "# hpre = x @ w + b\ndb = dhpre.sum(0)\n\n1 of 1 gradients: 1 correct up to rounding.\n"
    )
    assert command(capsys, "derive", "forward.py", "--node", "b") == (0, expected, "")
    assert command(capsys, "derive", "forward.py", "--node", "db") == (0, expected, "")


def test_lines_written_to_a_file_pass_a_check_when_pasted(capsys: Captured) -> None:
    assert command(capsys, "derive", "forward.py", "-o", "back.py") == (0, COUNTS, "")
    assert Path("back.py").read_text() == LINES
    Path("whole.py").write_text(f"{FORWARD}loss.backward()\n{Path('back.py').read_text()}")
    assert run(["check", "whole.py"]) == 0


def test_json_output(capsys: Captured) -> None:
    code, out, _ = command(capsys, "derive", "forward.py", "--json", "-")
    made = json.loads(out)
    assert code == 0
    assert " ".join(made) == "version file ok loss source gradients missing errors"
    assert (made["version"], made["file"], made["ok"]) == (1, "forward.py", True)
    assert (made["loss"], made["source"]) == ("loss", LINES)
    assert (made["missing"], made["errors"]) == ([], [])
    assert [g["name"] for g in made["gradients"]] == ["dh", "dhpre", "db", "dw"]
    first = made["gradients"][0]
    assert list(first) == ["node", "name", "verdict", "shape", "max_abs_diff", "ratio"]
    assert (first["node"], first["verdict"], first["shape"]) == ("h", "rounding", [32, 20])


def test_an_operation_without_a_rule_is_reported(capsys: Captured) -> None:
    source = FORWARD.replace("torch.tanh(hpre)", "torch.linalg.eigvalsh(hpre.T @ hpre)")
    Path("odd.py").write_text(source)
    code, out, err = command(capsys, "derive", "odd.py", "--json", "odd.json")
    assert (code, err) == (1, "")
    assert out == ODD
    made = json.loads(Path("odd.json").read_text())
    assert made["ok"] is False
    assert made["missing"] == [{"statement": "h = torch.linalg.eigvalsh(hpre.T @ hpre)", "line": 8,
                                "cell": None, "why": "no rule for linalg_eigvalsh"}]  # fmt: skip
    assert [g["verdict"] for g in made["gradients"]] == ["rounding", None, None, None]


ODD = """\
# loss = (h**2).mean()
dh = 2 * h / h.numel()
# h = torch.linalg.eigvalsh(hpre.T @ hpre)
# no rule for linalg_eigvalsh

line 8: h = torch.linalg.eigvalsh(hpre.T @ hpre): no rule for linalg_eigvalsh
dhpre: not derived
db: not derived
dw: not derived
1 of 4 gradients: 1 correct up to rounding, 3 not derived.
"""


def test_a_file_that_raises_after_its_loss_is_derived(capsys: Captured) -> None:
    Path("later.py").write_text(f"{FORWARD}loss.backward()\nraise ValueError('later')\n")
    out = f"{LINES}\nline 11: ValueError: later\n{COUNTS}"
    assert command(capsys, "derive", "later.py") == (1, out, "")


def test_loss_selects_the_pass(capsys: Captured) -> None:
    ends = "other = h.sum()\nloss.backward(retain_graph=True)\nother.backward()\n"
    Path("two.py").write_text(FORWARD + ends)
    code, out, _ = command(capsys, "derive", "two.py", "--loss", "other")
    assert (code, out.splitlines()[:2]) == (0, ["# other = h.sum()", "dh = torch.ones_like(h)"])


REFUSED = {
    "a missing file": (["none.py"], "none.py: no such file; looked for FOLDER/none.py"),
    "a function in a file": (
        ["forward.py::f"],
        "forward.py::f: no such file; looked for FOLDER/forward.py::f; to derive a function, use "
        "handgrad.derive(function, inputs) in Python",
    ),
    "a folder": (["."], ".: is a folder; expected a notebook (.ipynb) or a script (.py)"),
    "a text file": (
        ["notes.txt"],
        "notes.txt: not a notebook or a script; expected a notebook (.ipynb) or a script (.py)",
    ),
    "a syntax error": (["syntax.py"], "syntax.py:2: not valid Python: '(' was never closed"),
    "no loss": (
        ["idle.py"], "idle.py: nothing to derive: no loss was computed from named tensors"
    ),
    "no torch": (
        ["plain.py"], "plain.py: nothing to derive: no loss was computed from named tensors"
    ),
    "a forward pass that raises": (
        ["raises.py"],
        "raises.py: nothing to derive: no loss was computed from named tensors; line 3 failed: "
        "ValueError: no",
    ),
    "an unknown loss": (["forward.py", "--loss", "a"], "forward.py: no loss is named a"),
    "an unknown tensor": (
        ["forward.py", "--node", "a"],
        "forward.py: no gradient of a was derived; known: h, hpre, b, w",
    ),
    "an existing output file": (
        ["forward.py", "-o", "forward.py"],
        "forward.py exists already; name another file with -o, or remove it",
    ),
    "a missing output folder": (
        ["forward.py", "-o", "no/back.py"],
        "cannot write no/back.py: no is not a folder; name another file with -o",
    ),
    "lines to standard output by name": (
        ["forward.py", "-o", "-"],
        "-o -: name a file; without -o the lines go to standard output",
    ),
    "JSON over a source file": (
        ["forward.py", "--json", "forward.py"],
        "--json forward.py: this is a file to derive; name the file to write, such as "
        "--json derived.json",
    ),
    "JSON and lines in one file": (
        ["forward.py", "-o", "a.txt", "--json", "./a.txt"],
        "--json ./a.txt: -o writes to the same file; name another one",
    ),
    "a time limit of 0": (
        ["forward.py", "--timeout", "0"], "--timeout 0: must be a number of seconds above 0"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_line_and_writes_no_file(
    name: str, capsys: Captured, folder: Path
) -> None:
    Path("notes.txt").write_text("hello\n")
    Path("syntax.py").write_text("import torch\nx = (\n")
    Path("idle.py").write_text("import torch\nx = torch.randn(3)\n")
    Path("plain.py").write_text("print(1)\n")
    Path("raises.py").write_text("import torch\nx = torch.randn(3)\nraise ValueError('no')\n")
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    arguments, message = REFUSED[name]
    more = [] if "-o" in arguments else ["-o", "new.py"]
    code, _, err = command(capsys, "derive", *arguments, *more)
    assert (code, err) == (2, f"handgrad: {message.replace('FOLDER', str(folder))}\n")
    assert {path: path.read_text() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("number", "code", "counts"),
    [
        ("002", 1, "26 of 26 gradients: "),
        ("003", 0, "15 of 15 gradients: "),
    ],
)
def test_notebooks_found_in_the_wild(
    number: str, code: int, counts: str, shared: Path, folder: Path, capsys: Captured
) -> None:
    """Derive notebooks by other authors. 002 raises after its loss, at its first comparison."""
    (folder / "data").mkdir()
    for place in (folder, folder / "data"):
        shutil.copy(shared / "data" / "names.txt", place)
    shutil.copy(shared / "seeds" / f"{number}.ipynb", folder)
    found, out, err = command(capsys, "derive", f"{number}.ipynb")
    assert (found, err) == (code, "")
    assert out.splitlines()[-1].startswith(counts)
    assert "not derived" not in out
