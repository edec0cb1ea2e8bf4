"""Training from Python: `handgrad.train` and `handgrad.load`."""

from pathlib import Path

import numpy as np
import pytest

import handgrad
from handgrad.errors import RunError, SettingsError
from handgrad.models import GRU
from handgrad.runs import Run
from handgrad.training.presets import PRESETS, with_preset

SMALL = {"n_embd": 3, "n_hidden": 4, "engine": "fused", "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    words = folder / "words.txt"
    names = ["emma", "ava", "mia", "noa", "ivan", "eva", "max", "ava", "nova", "vim", "axe", "mena"]
    words.write_text("\n".join(names * 3))
    return handgrad.train(words, model="gru", steps=30, lr=0.05, out=folder / "run", **SMALL)


def test_one_line_trains(run: Run) -> None:
    assert run.finished
    assert run.step == 30
    assert isinstance(run.model, GRU)
    assert run.settings.lr == 0.05
    assert {k: x.shape for k, x in run.parameters.items()} == run.model.shapes()
    assert repr(run).startswith(f"Run({str(run.folder)!r}: gru, {run.model.n_parameters} parame")


def test_losses_are_the_metrics(run: Run) -> None:
    losses = run.losses
    assert list(losses) == ["step", "lr", "loss", "train", "val", "seconds"]
    assert losses["step"][-1] == 30
    assert losses["train"][-1] < losses["train"][0]  # it has learned something
    evaluated = run.evaluate()
    assert list(evaluated) == ["train", "val", "test"]
    assert run.evaluate("val") == {"val": evaluated["val"]}
    # metrics.csv keeps six digits
    np.testing.assert_allclose(losses["val"][-1], evaluated["val"], rtol=1e-5)


def test_samples(run: Run) -> None:
    words = run.sample(7, prefix="a")
    assert len(words) == 7
    assert all(word.startswith("a") for word in words)
    assert words == run.sample(7, prefix="a")
    assert words != run.sample(7, prefix="a", seed=1)


def test_load_and_continue(run: Run, tmp_path: Path) -> None:
    again = handgrad.load(run.folder)
    assert again == run
    assert again.sample(3) == run.sample(3)
    with pytest.raises(RunError, match="is not a run folder"):
        handgrad.load(tmp_path)
    begun = handgrad.train(
        run.folder.parent / "words.txt",
        init_from=run.folder,
        out=tmp_path / "more",
        steps=2,
        engine="fused",
        progress=False,
    )
    assert begun.resume(steps=5, progress=False).step == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "cnn"}, "unknown model cnn; known: mlp, bigram, bow, "),
        ({"model": "gru", "n_head": 2}, "model gru has no n_head; it has block_size, n_embd, "),
        ({"model": "gru", "speed": 2}, "unknown speed; sizes of gru: block_size, n_embd, "),
        ({"preset": "slow"}, "unknown preset slow; known: fast"),
        ({"steps": 3, "epochs": 2}, "steps and epochs are both given: leave one of them out"),
    ],
)
def test_bad_names(given: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        handgrad.train(out=tmp_path / "run", progress=False, **given)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "run").exists()


def test_what_is_given_wins_over_a_preset() -> None:
    given = with_preset({"preset": "fast", "steps": 700, "data": "x"})
    assert given == {**PRESETS["fast"], "steps": 700, "data": "x"}


def test_the_warmup_of_a_preset_is_no_longer_than_the_run() -> None:
    assert with_preset({"preset": "fast", "steps": 7})["warmup"] == 7
    assert with_preset({"preset": "fast", "steps": 7, "warmup": 9})["warmup"] == 9


def test_epochs_replace_the_steps_of_a_preset() -> None:
    given = with_preset({"preset": "fast", "epochs": 2})
    rest = {name: value for name, value in PRESETS["fast"].items() if name != "steps"}
    assert given == {**rest, "epochs": 2}


def test_without_a_val_split(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("ab\nabc\n")
    run = handgrad.train(
        words, out=tmp_path / "run", model="bigram", steps=2, engine="fused", progress=False
    )
    assert np.isnan(run.losses["val"]).all()
    assert run.evaluate("val") == {"val": None}
    assert repr(run) == f"Run({str(run.folder)!r}: bigram, 16 parameters, step 2)"


def test_of_a_preset_a_run_to_start_from_keeps_its_own_model_and_sizes() -> None:
    given = with_preset({"preset": "fast", "init_from": "runs/mine"})
    assert {"model", "n_embd", "n_hidden", "dropout"}.isdisjoint(given)
    assert (given["optimizer"], given["steps"]) == ("adamw", PRESETS["fast"]["steps"])
