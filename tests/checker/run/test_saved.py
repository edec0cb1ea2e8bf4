"""Different verdicts in the saved output are noted, different numbers are not."""

from pathlib import Path

import nbformat
import pytest

from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.cells import Cell
from handgrad.checker.run.output import KEPT_OF_CELL
from handgrad.checker.run.run import check_file
from handgrad.checker.run.saved import difference, folded

RAISED = CellError(3, 7, "NameError: name 'x' is not defined")
RAISES = Note(
    "HG283",
    "this cell raises an error in a clean run, but its saved output shows none: the cells were"
    " run in another order, or on another machine.",
    place=Place(7, 3),
)


@pytest.mark.parametrize(
    ("saved", "said", "message"),
    [
        ("h | exact: True | 0.0", "h | exact: True | 0.0", None),
        ("h | exact: True | 0.0", "h | exact: True | 1e-9", None),
        ("loss 2.3\nemma", "loss 2.5\nolivia", None),
        ("", "h | exact: True", None),
        ("h | exact: True", "h | exact: True\nx | exact: False", None),
        ("True" + "x" * KEPT_OF_CELL, "False", None),
        ("Truest", "Falsely", None),
        ("h | exact: True | 0.0", "h | exact: False | 4e-10", None),  # another machine rounds so
        (
            "h | exact: True | 0.0\nW | exact: True | 0.0",
            "h | exact: False | 4e-10\nW | exact: False | 1.2",
            'a clean run prints "W | exact: False | 1.2"; the saved output is'
            ' "W | exact: True | 0.0".',
        ),
        ("True", "False", 'a clean run prints "False"; the saved output is "True".'),
        (
            "a\nh  | exact: True | 0.0",
            "b\nh  | exact: False | 0.1",
            'a clean run prints "h | exact: False | 0.1"; the saved output is'
            ' "h | exact: True | 0.0".',
        ),
    ],
)
def test_verdicts(saved: str, said: str, message: str | None) -> None:
    expected = None if message is None else Note("HG282", message, place=Place(1, 3))
    assert difference(Cell(3, "...", saved), said, None) == expected


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        (Cell(3, "...", "2.5"), RAISES),
        (Cell(3, "..."), None),  # outputs cleared, or none: nothing to say
        (Cell(3, "...", "2.5", "NameError"), None),
    ],
)
def test_errors(cell: Cell, note: Note | None) -> None:
    assert difference(cell, "", RAISED) == note


def test_one_note_of_a_kind() -> None:
    notes = [Note(code, code, place=Place(1, cell)) for cell, code in enumerate("aabaa", 1)]
    assert folded(notes) == [
        Note("a", "a The same holds for cells 2, 4 and 5.", place=Place(1, 1)),
        Note("b", "b", place=Place(1, 3)),
    ]
    assert folded(notes[:2]) == [Note("a", "a The same holds for cell 2.", place=Place(1, 1))]


@pytest.mark.usefixtures("faked")
def test_of_a_whole_run(tmp_path: Path) -> None:
    """The output of each cell is compared with its saved output."""
    outputs = [nbformat.v4.new_output("stream", text="True\n")]
    result = [nbformat.v4.new_output("execute_result", {"text/plain": "True"}, execution_count=3)]
    cells = [
        nbformat.v4.new_code_cell("da = 1\nprint(da == 1)", outputs=outputs),
        nbformat.v4.new_code_cell("print(da == 2)", outputs=outputs),
        nbformat.v4.new_code_cell("da == 1", outputs=result),
        nbformat.v4.new_code_cell("da == 2", outputs=result),
        nbformat.v4.new_code_cell("raise ValueError", outputs=outputs),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "t.ipynb")
    report = check_file(tmp_path / "t.ipynb").report
    assert [(note.code, note.place) for note in report.notes] == [
        ("HG282", Place(1, 2)),
        ("HG283", Place(1, 5)),
    ]


@pytest.mark.usefixtures("faked")
@pytest.mark.parametrize(
    ("before", "failing"),
    [
        ("da = 1", "while True: pass"),
        ("da = 1", "input()"),
        ("da = 1\n!wget https://example.com/names.txt", "open('names.txt')"),
        ("da = 1\nfiles = !ls", "files[0]"),
        ("da = 1\nimport absent_module", "torch.tensor([absent_module.size() + 1.0])"),
    ],
)
def test_an_error_of_our_own_says_nothing_of_the_saved_output(
    tmp_path: Path, before: str, failing: str
) -> None:
    """What the run leaves out raises it: time, an answer, a shell command, a module."""
    outputs = [nbformat.v4.new_output("stream", text="done")]
    cells = [
        nbformat.v4.new_code_cell(text, outputs=outputs)
        for text in ("import torch\n" + before, failing)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "t.ipynb")
    report = check_file(tmp_path / "t.ipynb", timeout=6).report
    assert [error.cell for error in report.errors] == [2]
    assert "HG283" not in {note.code for note in report.notes}
