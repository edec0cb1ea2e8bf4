"""The step on a GPU: its peers are right on the CPU; without a GPU there is a line."""

import sys
from pathlib import Path

import pytest
import torch
from benchmarks.peers import cuda, ours, timing
from benchmarks.peers.__main__ import main
from benchmarks.peers.work import Absent, Cell, prepare, reference_steps, verified

from handgrad.data import Dataset, open_dataset
from handgrad.training.backends.graphs import CAPTURES
from recorded import recorded

# half a minute of compiling; the program itself verifies it before it is timed
QUICK = {name: build for name, build in cuda.PEERS.items() if "torch.compile" not in name}
HERE = torch.cuda.is_available()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset("names")


@pytest.mark.skipif(HERE, reason="a CUDA device is here")
def test_without_a_gpu_there_is_one_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--cuda", "--json", str(tmp_path / "cuda.json")])
    assert main() == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("no CUDA device is here: the step on a GPU is not measured\n", "")
    assert not (tmp_path / "cuda.json").exists()


@pytest.mark.parametrize("name", QUICK)
def test_its_peers_are_right_on_the_cpu(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    work = prepare(dataset, Cell(37, 5, 2), 8)
    peer = verified(work, QUICK[name], reference_steps(work, 4))
    peer.run(4)


def test_a_step_that_cannot_be_replayed_is_left_out(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capture(step: object, device: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setitem(CAPTURES, "cpu", capture)
    with pytest.raises(Absent, match=r"^no CUDA graph, .* \(no\)$"):
        ours.trained(prepare(dataset, Cell(8, 4), 8), 4)


def test_text(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(work: object, steps: int) -> None:
        raise Absent("no compiler")

    monkeypatch.setattr(timing, "MOST_STEPS", 4)
    peers = {cuda.REFERENCE: QUICK[cuda.REFERENCE], "another": absent}
    cells = (Cell(8, 4), Cell(8, 5))
    found = cuda.measure(cells, "cpu", 0, lambda _: None, peers)  # type: ignore[arg-type]
    title, *tables = cuda.text("a GPU", found).split("\n\n")
    assert title == "a GPU"
    assert [lines.splitlines()[0] for lines in tables] == [cell.title for cell in cells]
    head, row, left_out = tables[0].splitlines()[1:]
    assert head.split() == ["peer", "us", "a", "step", "times", "faster", "quartiles"]
    assert row.startswith("lecture, eager autograd ")
    assert row.endswith(" 1.00  1.00 to 1.00")
    assert left_out == "left out: another: no compiler"


@pytest.mark.skipif(not HERE, reason="no CUDA device is here")
def test_it_measures_on_a_gpu(dataset: Dataset) -> None:
    (found,) = cuda.measure((Cell(),), "cuda", 0, lambda _: None, QUICK)
    assert list(found.timed) == list(QUICK)
    assert found.absent == {}
