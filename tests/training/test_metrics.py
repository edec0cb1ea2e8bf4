"""metrics.csv: appended, truncated on resuming, read again."""

import builtins
import errno
from pathlib import Path
from typing import Any

import pytest

from handgrad.errors import RunError
from handgrad.training.checkpoint import load_to_resume
from handgrad.training.metrics import MetricsFile, MetricsRow, read_metrics
from tiny import train_tiny, words_dataset

ROWS = [
    MetricsRow(10, 0.1, 3.25, 3.0, 3.125, 0.5),
    MetricsRow(20, 0.1 * 0.1, 2.5, 2.75, None, 1.0),
    MetricsRow(30, 0.01, 2.0, 2.5, 2.25, 1.5),
]


def written(folder: Path) -> str:
    return (folder / "metrics.csv").read_text()


def test_rows(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path)
    for row in ROWS:
        metrics.add(row)
    assert written(tmp_path) == (
        "step,lr,loss,train_loss,val_loss,seconds\n"
        "10,0.1,3.25,3,3.125,0.5\n"
        "20,0.01,2.5,2.75,,1\n"
        "30,0.01,2,2.5,2.25,1.5\n"
    )
    assert read_metrics(tmp_path) == [ROWS[0], MetricsRow(20, 0.01, 2.5, 2.75, None, 1.0), ROWS[2]]


def test_resuming_drops_rows_beyond_the_checkpoint(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path)
    for row in ROWS:
        metrics.add(row)
    MetricsFile(tmp_path, resumed_at=25).add(ROWS[2])
    assert [row.step for row in read_metrics(tmp_path)] == [10, 20, 30]
    MetricsFile(tmp_path, resumed_at=20)
    assert [row.step for row in read_metrics(tmp_path)] == [10, 20]


@pytest.mark.parametrize("cut", ["30,0.01", "30,0.01,2,2.5,2.2", "3"])
def test_a_row_cut_short_by_a_kill(tmp_path: Path, cut: str) -> None:
    metrics = MetricsFile(tmp_path)
    metrics.add(ROWS[0])
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write(cut)
    MetricsFile(tmp_path, resumed_at=100).add(ROWS[2])
    assert read_metrics(tmp_path) == [ROWS[0], ROWS[2]]


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"\xff")
    with pytest.raises(RunError) as caught:
        MetricsFile(tmp_path)
    line = f"cannot read {tmp_path}/metrics.csv: delete it and continue without it"
    assert str(caught.value) == line


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = MetricsFile(tmp_path)

    def full(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(builtins, "open", full)
    with pytest.raises(RunError) as caught:
        metrics.add(ROWS[0])
    assert str(caught.value) == f"cannot write {tmp_path}/metrics.csv: No space left on device"


def test_rows_that_were_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint remembers the rows: what is resumed with others says so."""
    dataset = words_dataset(tmp_path)
    out = tmp_path / "run"
    run = train_tiny(out, dataset, steps=10, eval_every=5).run
    arguments = (out, run.model, "cpu", "sgd")
    load_to_resume(*arguments)
    assert capsys.readouterr().err == ""
    path = out / "metrics.csv"
    whole = path.read_text()
    for damaged in (whole.replace("0.1", "0.2", 1), whole[:-30], ""):
        path.write_text(damaged)
        load_to_resume(*arguments)
        assert capsys.readouterr().err == (
            f"handgrad: {path} is not as it was written: its losses up to step 10 may be wrong "
            "or missing; training is not affected\n"
        )
    path.write_text(whole + "15,0.1,2.0")  # of a run that was killed later
    load_to_resume(*arguments)
    assert capsys.readouterr().err == ""
