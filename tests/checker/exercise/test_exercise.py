"""An exercise from end to end: written, then checked untouched, partly and completely filled in."""

import ast
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from benchmarks.proving.program import AUTOGRAD, BACKWARD, FORWARD, SETUP, hand_names, target_of

from checker.exercise.conftest import checked, code_cells, recorded
from handgrad.checker.exercise.described import ForwardTensor
from handgrad.checker.exercise.notebook import Blank
from handgrad.checker.exercise.write import chosen_blanks, write_exercise
from handgrad.cli import run
from handgrad.errors import CheckError, HandgradError

Captured = pytest.CaptureFixture[str]
SIZES = """\
\"\"\"The lecture's network.\"\"\"

import torch
import torch.nn.functional as F

seed, dtype = 1, torch.float32
n, block_size, n_embd, n_hidden, vocab_size = 13, 2, 5, 9, 7
"""
PROGRAM = SIZES + "\n" + SETUP + "\n" + FORWARD + AUTOGRAD + BACKWARD
SMALL = "import torch\nx = torch.ones(3, requires_grad=True)\ny = x**2\nloss = y.sum()\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exercise of a script that already has its backward pass."""
    folder = tmp_path_factory.mktemp("exercise")
    (folder / "forward.py").write_text(PROGRAM)
    made = write_exercise(folder / "forward.py", folder / "e.ipynb")
    assert set(made.names) == set(hand_names())
    assert {file.name for file in folder.iterdir()} == {"forward.py", "e.ipynb"}
    return made.file


def filled(file: Path, n: int) -> list[str]:
    """Return the cells of an exercise with the first `n` blanks filled in."""
    lines: dict[str, list[str]] = {}
    for node in ast.parse(BACKWARD).body:
        lines.setdefault(target_of(node), []).append(ast.unparse(node))
    cells = code_cells(file)
    first = [c for c in cells if c.endswith(" = ...  # your line")][:n]
    return ["\n".join(lines[c.split(" ")[0]]) if c in first else c for c in cells]


def test_it_is_a_notebook_with_the_forward_pass_alone(written: Path) -> None:
    nbformat.validate(json.loads(written.read_text()))
    cells = code_cells(written)
    imports, sizes = SIZES.strip().split("\n\n")[1:]
    assert cells[:4] == [imports, sizes, SETUP.strip(), FORWARD.strip()]
    assert cells[4] == "loss.backward()  # autograd's gradients, to compare yours with"
    assert {cell.split(" ")[0] for cell in cells[5:]} == set(hand_names())


def test_an_untouched_exercise_has_no_mistakes(written: Path) -> None:
    report = checked(code_cells(written))
    assert report.ok
    assert report.counts == {"exact": 0, "rounding": 0, "shape": 0, "wrong": 0, "missing": 26}
    assert report.to_text().endswith("\n0 gradients by hand; 26 not written yet.\n")


@pytest.mark.parametrize("n", [1, 10, 25])
def test_a_partly_filled_exercise_is_graded(n: int, written: Path) -> None:
    counts = checked(filled(written, n)).counts
    assert (counts["exact"] + counts["rounding"], counts["missing"]) == (n, 26 - n)


def test_a_filled_exercise_is_right(written: Path) -> None:
    counts = checked(filled(written, 26)).counts
    assert (counts["exact"] + counts["rounding"], sum(counts.values())) == (26, 26)


@pytest.mark.parametrize("blank", ["...", "None"])
def test_blanks_that_are_not_ours(blank: str) -> None:
    """A blank may be None. A blank that belongs to no tensor does not make an exercise."""
    backward = f"loss.backward()\ndy = {blank}  # here\ndz = {blank}"
    report = checked([SMALL + backward])
    assert [(row.node, row.verdict) for row in report.rows] == [("y", "missing")]
    session, _ = recorded([SMALL + f"loss.backward()\ndz = {blank}"])
    with pytest.raises(CheckError, match=r"no gradient is written by hand$"):
        session.finish("it")


@pytest.mark.usefixtures("fresh_children")
def test_the_command_with_a_notebook(tmp_path: Path, capsys: Captured) -> None:
    """The notebook keeps its text up to the loss, and the exercise checks with exit code 0."""
    cells = [
        nbformat.v4.new_markdown_cell("# Mine"),
        nbformat.v4.new_code_cell(""),
        nbformat.v4.new_code_cell("%matplotlib inline\n" + SMALL + "loss.backward()"),
        nbformat.v4.new_markdown_cell("after"),
        nbformat.v4.new_code_cell("open('ran', 'w')\ndy = 1"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    assert run(["exercise", str(tmp_path / "n.ipynb"), "--hint", "what"]) == 0
    out = tmp_path / "n-exercise.ipynb"
    assert capsys.readouterr().out == (
        f"{out}: 2 gradients to write, from dy to dx.\n"
        f"Check it with: handgrad check {out} --hint what\n"
    )
    assert not (tmp_path / "ran").exists()
    sources = [cell["source"] for cell in json.loads(out.read_text())["cells"]]
    assert sources[3:5] == ["# Mine", "%matplotlib inline\n" + SMALL.rstrip("\n")]
    assert "after" not in sources
    assert run(["check", str(out)]) == 0
    assert capsys.readouterr().out.endswith("\n0 gradients by hand; 2 not written yet.\n")


def test_the_solution(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "f.py").write_text(SMALL)
    assert run(["exercise", str(tmp_path / "f.py"), "--solution"]) == 0
    out = tmp_path / "f-solution.ipynb"
    assert f"{out}: 2 of 2 gradients written, from dy to dx.\n" in capsys.readouterr().out
    assert checked(code_cells(out)).counts["missing"] == 0


def test_it_must_run_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1")
    (tmp_path / "f.py").write_text("open('data.txt')\n" + SMALL)
    (tmp_path / "out").mkdir()
    with pytest.raises(CheckError) as caught:
        write_exercise(tmp_path / "f.py", tmp_path / "out" / "e.ipynb")
    out = tmp_path / "out"
    assert str(caught.value) == (
        f"{tmp_path}/f.py: the exercise does not run in {out}: nothing to check: no loss was"
        " computed from named tensors; cell 2, line 1 failed: FileNotFoundError: [Errno 2] No such"
        f" file or directory: 'data.txt' (looked for {out}/data.txt; the file runs in {out});"
        f" if {tmp_path}/f.py reads files, write the exercise beside it"
    )
    assert list((tmp_path / "out").iterdir()) == []


REFUSED = [
    (["f.py", "-o", "e.py"], "--out e.py: an exercise is a notebook (.ipynb)"),
    (
        ["f.ipynb", "-o", "./f.ipynb"],
        "--out f.ipynb: this is the forward pass itself; name another file",
    ),
    (
        ["f.py", "-o", "there.ipynb"],
        "there.ipynb already exists: name another file with --out, or use --force",
    ),
    (
        ["f.py", "-o", "dir.ipynb"],
        "cannot write dir.ipynb: it is a folder; name a file with --out",
    ),
    (
        ["f.py", "-o", "no/e.ipynb"],
        "cannot write no/e.ipynb: no is not a writable folder; name another file with --out",
    ),
    (["f.py", "--hint", "all"], "--hint all: known: where, what, fix"),
    (["f.py", "--timeout", "0"], "--timeout 0: must be a number of seconds above 0"),
    (
        ["f.py", "--only", "dh", "--solution"],
        "--only and --solution cannot be combined; leave one of them out",
    ),
    (["gone.py"], "gone.py: no such file; looked for HERE/gone.py"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED)
def test_refused_before_anything_runs(
    arguments: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text("open('ran', 'w')")
    shutil.copy(tmp_path / "f.py", "there.ipynb")
    (tmp_path / "dir.ipynb").mkdir()
    assert run(["exercise", *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        f"handgrad: {line}\n".replace("HERE", str(tmp_path)),
    )
    assert not (tmp_path / "ran").exists()


def test_only_some_gradients() -> None:
    every = [Blank(f"d{name}", ForwardTensor(name, (), ())) for name in "abc"]
    names = [blank.name for blank in chosen_blanks(every, ["dc", "a", "a"], "f.py")]
    assert names == ["da", "dc"]
    with pytest.raises(HandgradError) as caught:
        chosen_blanks(every, ["da", "dh"], "f.py")
    assert str(caught.value) == "--only dh: not a gradient of this forward pass; it has da, db, dc"
    with pytest.raises(HandgradError) as caught:
        chosen_blanks([], [], "f.py")
    assert str(caught.value) == (
        "f.py: no tensor that the loss depends on has a name at the top level of the file,"
        " so there is no gradient to write"
    )
