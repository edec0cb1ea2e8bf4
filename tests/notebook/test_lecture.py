"""examples/lecture.ipynb, from top to bottom in a kernel."""

import nbformat
import pytest

from notebook.conftest import Kernel, Ran
from paths import ROOT

FILE = ROOT / "examples" / "lecture.ipynb"
CELLS = nbformat.read(FILE, as_version=4).cells
SOURCES = [cell.source for cell in CELLS if cell.cell_type == "code"]
NOTHING_ELSE = {"exact", "correct up to rounding"}


def right(text: str) -> int:
    """Return the number of gradients that a line of verdicts counts, all of them right."""
    line = text.removeprefix("handgrad: ").rstrip(".")
    counts = [part.partition(" ") for part in line.replace(", ", " · ").split(" · ")]
    assert {word for _, _, word in counts} <= NOTHING_ELSE, text
    return sum(int(number) for number, _, _ in counts)


@pytest.fixture
def ran(notebook: Kernel) -> list[Ran]:
    return notebook.all(SOURCES)


def test_it_is_saved_without_outputs() -> None:
    code = [cell for cell in CELLS if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_all_26_gradients_are_right_and_derive_writes_as_many(
    notebook: Kernel, ran: list[Ran]
) -> None:
    assert [one.raised for one in ran] == [None] * len(SOURCES)
    verdicts = [text for one in ran for text in one.texts if text.startswith("handgrad: ")]
    assert [right(text) for text in verdicts] == [6, 2, 4, 9, 5]
    assert right(ran[-1].texts[0].rpartition("26 gradients by hand: ")[2]) == 26
    derived = notebook.run("%handgrad derive")
    assert derived.printed.startswith("handgrad: 26 of 26 gradients: ")
    assert right(notebook.run(derived.next_cell or "").texts[-1]) == 26


BROKEN = {
    "dcounts": ("dcounts = dprobs * share + dtotal", "dcounts = dprobs * share"),
    "dsquares": ("/ (B - 1)\ndcentred", "/ B\ndcentred"),
    "dtable": ("accumulate=True", "accumulate=False"),
}


def test_a_broken_line_is_the_one_to_blame(notebook: Kernel, ran: list[Ran]) -> None:
    for name, (line, broken) in BROKEN.items():
        (source,) = (source for source in SOURCES if line in source)
        text = notebook.run(source.replace(line, broken)).texts[-1]
        assert text.count("✗") == 1
        assert f"Lines to blame\n  ✗ {name} " in text
        assert right(notebook.run(source).texts[-1])
