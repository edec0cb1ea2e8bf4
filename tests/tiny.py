"""A small run, for tests that need one: 60 words over seven letters, a few hundred parameters."""

import random
from pathlib import Path

import pytest

from handgrad.cli import run
from handgrad.data import Dataset, open_dataset
from handgrad.models import MLP
from handgrad.training.folder import RunFolder
from handgrad.training.loop import Result, train
from handgrad.training.prepare import fresh
from handgrad.training.reporter import Reporter, Silent
from handgrad.training.settings import TrainSettings
from handgrad.training.start import begin
from handgrad.training.state import Checkpoint

SIZES = {"block_size": 3, "n_embd": 4, "n_hidden": 8}
FLAGS = [
    "--block-size=3",
    "--n-embd=4",
    "--n-hidden=8",
    "--batch-size=4",
    "--engine=fused",
]
"""SIZES, a small batch and an engine that needs no compiling, as `handgrad train` takes them."""


def write_words(folder: Path, n: int = 60, symbols: str = "abcdefg") -> Path:
    """A file of `n` different words, always the same ones."""
    draw = random.Random(1)
    words: dict[str, None] = {}
    while len(words) < n:
        words["".join(draw.choices(symbols, k=draw.randint(2, 6)))] = None
    path = folder / "words.txt"
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    return path


def words_dataset(folder: Path) -> Dataset:
    return open_dataset(str(write_words(folder)))


def model_for(dataset: Dataset, **sizes: object) -> MLP:
    return MLP(dataset.vocabulary.size, **(SIZES | sizes))  # type: ignore[arg-type]


def begun(
    dataset: Dataset, model: MLP | None = None, **settings: object
) -> tuple[RunFolder, Checkpoint]:
    """A run by the fused engine that has no folder, unless `settings` say otherwise; its start."""
    chosen = TrainSettings(**({"engine": "fused"} | settings)).resolved()  # type: ignore[arg-type]
    model = model or model_for(dataset)
    return RunFolder(Path(), model, dataset.vocabulary, chosen, "", ""), fresh(model, chosen)


def train_tiny(
    out: Path,
    dataset: Dataset,
    model: MLP | None = None,
    reporter: Reporter | None = None,
    **settings: object,
) -> Result:
    """A run of 60 steps in `out`, unless `settings` say otherwise."""
    chosen = TrainSettings(**({"steps": 60, "batch_size": 4, "engine": "fused"} | settings))  # type: ignore[arg-type]
    with begin(chosen, model or model_for(dataset), dataset, out) as (begun, start):
        return train(begun, dataset, start, reporter or Silent())


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `handgrad` with `arguments`, in this process."""
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err
