"""`handgrad evaluate` prints the losses of the end of training."""

import json
import math
from pathlib import Path

import pytest

from tiny import FLAGS, command, write_words

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def trained(capsys: Capture, tmp_path: Path, words: Path) -> tuple[Path, dict[str, float]]:
    """Return a run folder and the JSON of `train`."""
    out, target = tmp_path / "run", tmp_path / "train.json"
    flags = ["-i", words, "-o", out, *FLAGS, "--steps=30", "--json", target]
    assert command(capsys, "train", *flags)[0] == 0
    return out, json.loads(target.read_text())


def evaluated(
    capsys: Capture, *arguments: object, by: str = "calibrated"
) -> dict[str, dict[str, float]]:
    """Return the splits of the JSON; its other keys are asserted here."""
    code, out, _ = command(capsys, "evaluate", *arguments, "--json=-")
    content = json.loads(out)
    splits: dict[str, dict[str, float]] = content.pop("splits")
    assert (code, content) == (0, {"run": str(arguments[0]), "step": 30, "statistics": by})
    return splits


def test_same_losses_as_after_training(
    capsys: Capture, trained: tuple[Path, dict[str, float]]
) -> None:
    run, said = trained
    splits = evaluated(capsys, run)
    assert list(splits) == ["train", "val", "test"]
    for split, loss in splits.items():
        # float32 sums over other numbers of threads, of losses near 2
        assert loss["nats"] == pytest.approx(said[f"{split}_loss"], rel=0, abs=1e-6)
        assert loss["bits"] == pytest.approx(loss["nats"] / math.log(2))


def test_table(capsys: Capture, trained: tuple[Path, dict[str, float]]) -> None:
    run, said = trained
    code, out, err = command(capsys, "evaluate", run, "--split=val")
    header, row = out.splitlines()
    assert (code, err) == (0, "")
    assert header.split() == ["split", "examples", "nats/char", "bits/char"]
    bits = said["val_loss"] / math.log(2)
    assert row.split()[0] == "val"
    assert row.split()[2:] == [f"{said['val_loss']:.4f}", f"{bits:.4f}"]


def test_running_statistics_differ(capsys: Capture, trained: tuple[Path, dict[str, float]]) -> None:
    """After 30 steps the running statistics are still close to their start."""
    run, _ = trained
    calibrated = evaluated(capsys, run, "--statistics=calibrated")
    assert calibrated == evaluated(capsys, run)
    running = evaluated(capsys, run, "--statistics=running", by="running")
    assert abs(running["train"]["nats"] - calibrated["train"]["nats"]) > 1e-3


def test_other_words(
    capsys: Capture, trained: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    """Words over fewer symbols have other numbers; the run's numbers count."""
    run, _ = trained
    (tmp_path / "other").mkdir()
    other = write_words(tmp_path / "other", symbols="cde")
    code, out, err = command(capsys, "evaluate", run, "-i", other)
    assert (code, len(out.splitlines())) == (0, 4)
    assert err == f"{other}: not the words that {run} was trained on\n"


def test_other_words_with_an_unknown_symbol(
    capsys: Capture, trained: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    run, _ = trained
    other = tmp_path / "other.txt"
    other.write_text("ab\nxa\n")
    code, out, err = command(capsys, "evaluate", run, "-i", other)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"handgrad: {other}: the symbol 'x' (U+0078) is not in the model's vocabulary of 7 "
        "symbols: leave out the words with it, or train a new model"
    )
