"""Before the first step: errors, with their whole messages."""

from dataclasses import replace
from pathlib import Path

import pytest

from handgrad.checker.records import VerdictName
from handgrad.data import Dataset
from handgrad.errors import GradientError, SettingsError
from handgrad.training.folder import RunFolder
from handgrad.training.prepare import check_settings, fresh, verify_gradients
from handgrad.training.settings import TrainSettings
from handgrad.verify import JudgedGradient
from tiny import model_for, words_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            [("W1", "wrong", 7.0)],
            "engine fused, step 0: the gradient of W1 is wrong (wrong): "
            "`handgrad verify` shows the line",
        ),
        (
            [("b1", "shape", None), ("W1", "wrong", 7.0), ("C", "wrong", 6.0)],
            "engine fused, step 0: the gradients of W1 and 2 more are wrong (wrong): "
            "`handgrad verify` shows the line",
        ),
    ],
)
def test_wrong_gradients(
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    wrong: list[tuple[str, VerdictName, float | None]],
    line: str,
) -> None:
    judged = [("W2", "exact", 0.0), ("b2", "rounding", 1.0), *wrong]
    rows = [JudgedGradient("mlp", "batch", "fused", n, v, r) for n, v, r in judged]
    monkeypatch.setattr("handgrad.verify.verify_batch", lambda *_: rows)
    model, settings = model_for(dataset), TrainSettings(engine="fused").resolved()
    run = RunFolder(Path(), model, dataset.vocabulary, settings, "", "")
    with pytest.raises(GradientError) as caught:
        verify_gradients(run, fresh(model, settings), dataset)
    assert str(caught.value) == line


def test_an_empty_train_split(dataset: Dataset) -> None:
    empty = replace(dataset, source="few.txt", splits={**dataset.splits, "train": (1, 1)})
    with pytest.raises(SettingsError) as caught:
        check_settings(TrainSettings().resolved(), model_for(dataset), empty)
    assert str(caught.value) == "few.txt: the train split is empty: add more words"
