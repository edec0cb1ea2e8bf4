"""Training by compiled kernels: selection, verification and its memory, without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handgrad.data import Dataset
from handgrad.engine.compiled import verified
from handgrad.engine.compiled.step import TrainingStep
from handgrad.errors import DivergedError, GradientError, SettingsError
from handgrad.training.checkpoint import load
from handgrad.training.prepare import check_settings
from handgrad.training.settings import TrainSettings
from tiny import FLAGS, command, model_for, train_tiny, words_dataset, write_words


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


def test_auto_is_compiled_on_the_cpu_and_fused_on_a_gpu() -> None:
    assert TrainSettings().engine == "auto"
    assert TrainSettings().resolved().engine == "compiled"
    assert TrainSettings(device="cuda").resolved().engine == "fused"
    assert TrainSettings(threads=2).resolved().engine == "compiled"
    assert TrainSettings(engine="chunked").resolved().engine == "chunked"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_trains_as_the_fused_engine_does(
    tmp_path: Path, dataset: Dataset, optimizer: str
) -> None:
    """Weight decay, the learning rate's decay, the state and evaluation included."""
    chosen = {"dtype": "float64", "optimizer": optimizer, "weight_decay": 0.03, "lr": 0.02}
    chosen["eps"] = (
        1e-3  # the bias before batchnorm has rounding for a gradient: not to be blown up
    )
    results = [
        train_tiny(tmp_path / engine, dataset, engine=engine, **chosen)
        for engine in ("fused", "compiled")
    ]
    model = model_for(dataset)
    theirs, ours = (load(tmp_path / name, model) for name in ("fused", "compiled"))
    for kind in ("params", "state"):
        for name, value in getattr(theirs, kind).items():
            # 60 steps in float64 leave rounding far below this, and any mistake far above
            np.testing.assert_allclose(getattr(ours, kind)[name], value, rtol=0, atol=1e-10)
    for split, loss in results[0].losses.items():
        assert loss is not None
        # the parameters' 1e-10 above, times the few units that a loss's slope comes to
        assert results[1].losses[split].nats == pytest.approx(loss.nats, abs=1e-9)  # type: ignore[union-attr]


def test_a_run_that_diverges_is_noticed_within_a_block(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(DivergedError, match=r"^the loss is (nan|inf) after \d+ steps at learning"):
        train_tiny(tmp_path / "run", dataset, engine="compiled", lr=1e30, steps=500)
    assert load(tmp_path / "run", model_for(dataset)).step == 0


def test_wrong_gradients_are_noticed_and_right_ones_remembered(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "kernel_folder", lambda: tmp_path / "cache")
    right = TrainingStep.loss_and_grads

    def twice(self, inputs, targets):
        loss = right(self, inputs, targets)
        self.grads["W1"] *= 2
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "loss_and_grads", twice)
        line = "engine compiled, step 0: the gradient of W1 is wrong"
        with pytest.raises(GradientError, match=f"^{line}"):
            train_tiny(tmp_path / "wrong", dataset, engine="compiled")
    what = (model_for(dataset), "sgd", 4, "float32")
    assert not verified.is_verified(*what)
    train_tiny(tmp_path / "right", dataset, engine="compiled")
    assert verified.is_verified(*what)
    for other in (
        (model_for(dataset, n_hidden=9), "sgd", 4, "float32"),
        (model_for(dataset), "adamw", 4, "float32"),
        (model_for(dataset), "sgd", 5, "float32"),
        (model_for(dataset), "sgd", 4, "float64"),
    ):
        assert not verified.is_verified(*other)


def test_an_unsupported_device(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handgrad.engine.device.require_device", lambda device: None)
    settings = TrainSettings(engine="compiled", device="cuda").resolved()
    with pytest.raises(SettingsError) as caught:
        check_settings(settings, model_for(dataset), dataset)
    assert str(caught.value) == (
        "engine compiled runs on the CPU, but the device is cuda: "
        "use --engine fused, or --device cpu"
    )


WITHOUT_TORCH = """\
import sys
from handgrad.cli import run
code = run(sys.argv[1:])
assert "torch" not in sys.modules, "torch was imported"
sys.exit(code)
"""


def test_once_verified_it_trains_evaluates_and_samples_without_torch(tmp_path: Path) -> None:
    words = write_words(tmp_path)
    flags = [flag for flag in FLAGS if not flag.startswith("--engine")]
    runs = [tmp_path / name for name in ("first", "second")]
    commands = [["train", "--data", words, "--out", run, "--steps=20", *flags] for run in runs]
    subprocess.run([sys.executable, "-m", "handgrad", *map(str, commands[0])], check=True)
    for arguments in (commands[1], ["evaluate", runs[1]], ["sample", runs[1]]):
        subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)], check=True)
    weights = [(run / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]


def test_show_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_words(tmp_path)
    code, out, err = command(capsys, "train", "--data", words, "--show-step", "--n-layer=2")
    assert (code, err) == (0, "")
    assert out.startswith('"""Training steps of mlp, optimizer sgd. Generated by handgrad."""\n')
    call = "linear.backward(dhprebn_2, h_1, W2, dh_1, dW2, db2, W2_t, thread, team)"
    assert f"        {call}\n        wait(thread, team)\n" in out
    assert list(tmp_path.iterdir()) == [words]
