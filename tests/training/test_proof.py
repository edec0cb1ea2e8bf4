"""Replayed steps are verified against eager ones before use, and rejected if they differ."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handgrad.data import Dataset
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends import backend_of, tensors
from handgrad.training.backends.eager import TorchSteps
from handgrad.training.backends.graphs import CAPTURES, Capture, GraphSteps
from handgrad.training.backends.proof import STEPS, deviation
from handgrad.training.backends.protocol import Steps
from handgrad.training.folder import RunFolder
from handgrad.training.interrupt import Stop
from handgrad.training.state import Checkpoint, Numbers
from recorded import Recording, recorded
from tiny import FLAGS, begun, command, model_for, train_tiny, words_dataset, write_words

Replay = Callable[[], None]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return words_dataset(tmp_path)


def chosen(
    run: RunFolder, dataset: Dataset, start: Checkpoint, capture: Capture | None = None
) -> tuple[Steps, list[str]]:
    """Return the steps of a run on the CPU, and the messages about them."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        if capture:
            patch.setitem(CAPTURES, "cpu", capture)
        return backend_of("fused").steps(run, dataset, start, said.append), said


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_layer", [0, 1, 3])
def test_verified_replays_are_used_from_the_start(
    dataset: Dataset, device: str, n_layer: int, dtype: str, optimizer: str
) -> None:
    model = model_for(dataset, n_layer=n_layer)
    settings = {"device": device, "dtype": dtype, "optimizer": optimizer}
    (run, start), (_, same) = (begun(dataset, model, **settings) for _ in range(2))
    steps, said = chosen(run, dataset, start)
    assert isinstance(steps, GraphSteps)
    assert said == []
    assert_unchanged(start, same)


def assert_unchanged(start: Checkpoint, same: Checkpoint) -> None:
    for kind in ("params", "state", "optimizer"):
        for name, value in getattr(same, kind).items():
            assert torch.equal(getattr(start, kind)[name], value), name


@pytest.mark.parametrize("done", [0, 57, 59, 60])
def test_a_resumed_run_is_verified_on_the_remaining_steps(
    dataset: Dataset, device: str, done: int
) -> None:
    run, start = begun(dataset, device=device, steps=60)
    steps, said = chosen(run, dataset, replace(start, step=done))
    assert isinstance(steps, TorchSteps if done == 60 else GraphSteps)
    assert said == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_missing_operation_is_noticed(dataset: Dataset, dtype: str, optimizer: str) -> None:
    """Unless it changes no bit.

    The model has no parameter whose gradient is rounding (a bias before batchnorm), and eps is not
    far below all gradients: rounding would hide both.
    """
    model = model_for(dataset, hidden_bias=False)
    settings = {"dtype": dtype, "optimizer": optimizer, "init": "exercise", "eps": 1e-4}
    run, start = begun(dataset, model, **settings)
    whole, left_out = numbers_after(run, dataset, model, recorded, **settings), 0
    for number in range(1000):
        recording = Recording(left_out=number)
        steps, said = chosen(run, dataset, start, capture_by(recording))
        if number == len(recording.operations):
            break
        if isinstance(steps, GraphSteps):
            ours = numbers_after(run, dataset, model, capture_by(Recording(number)), **settings)
            assert all(torch.equal(ours[name], value) for name, value in whole.items()), number
        else:
            assert said[0].startswith("no CUDA graph, steps are launched from Python: replayed, ")
            left_out += 1
    assert left_out > 50  # of some 80


def capture_by(recording: Recording) -> Capture:
    def capture(step: Replay, device: torch.device) -> Replay:
        with recording:
            step()
        return recording.replay

    return capture


def numbers_after(
    run: RunFolder, dataset: Dataset, model: object, capture: Capture, **settings: object
) -> Numbers:
    steps = GraphSteps(run, dataset, begun(dataset, model, **settings)[1], capture)  # type: ignore[arg-type]
    losses = torch.tensor(steps.go(0, STEPS, Stop()))
    return {"loss": losses, **steps.params, **steps.state, **steps.optimizer}


@pytest.mark.parametrize("engine", ["autograd", "chunked"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_in_another_order_are_accepted(
    dataset: Dataset, dtype: str, optimizer: str, engine: str
) -> None:
    """Another engine's step differs more than a replay does."""
    run, start = begun(dataset, dtype=dtype, optimizer=optimizer)
    other = tensors.engine(replace(run, settings=replace(run.settings, engine=engine)))

    def capture(step: Replay, device: torch.device) -> Replay:
        step.__self__._engine = other  # type: ignore[attr-defined]
        return step

    steps, said = chosen(run, dataset, start, capture)
    assert isinstance(steps, GraphSteps), said


def test_a_wrong_replay_is_rejected_with_a_message(dataset: Dataset) -> None:
    """The row counter does not move: every replay uses the same batch."""
    run, start = begun(dataset)

    def capture(step: Replay, device: torch.device) -> Replay:
        row = step.__self__._row  # type: ignore[attr-defined]

        def replay() -> None:
            step()
            row.zero_()

        return replay

    steps, [line] = chosen(run, dataset, start, capture)
    assert isinstance(steps, TorchSteps)
    assert_unchanged(start, begun(dataset)[1])
    assert re.fullmatch(
        r"no CUDA graph, steps are launched from Python: replayed, the loss is off by 2\.\de\+00; "
        r"rounding explains \d\.\de-07",
        line,
    )


def failing(step: Replay, device: torch.device) -> Replay:
    """Fail as torch does: after a refused operation, the end of the capture fails as well."""
    step()
    try:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")
    except RuntimeError:
        raise RuntimeError("CUDA error: operation failed due to a previous error") from None


def test_a_step_that_cannot_be_captured_is_eager_with_a_message(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, start = begun(dataset)
    steps, said = chosen(run, dataset, start, failing)
    line = (
        "no CUDA graph, steps are launched from Python: "
        "a step cannot be captured and replayed (operation not permitted when stream is capturing)"
    )
    assert isinstance(steps, TorchSteps)
    assert said == [line]
    assert_unchanged(start, begun(dataset)[1])
    train_tiny(tmp_path / "eager", dataset)
    monkeypatch.setitem(CAPTURES, "cpu", failing)
    code, out, _ = command(
        capsys,
        "train",
        "-i",
        write_words(tmp_path),
        "--steps=60",
        *FLAGS,
        "--out",
        tmp_path / "run",
    )
    assert code == 0
    assert out.splitlines()[1] == line
    trained = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("eager", "run")]
    assert trained[0] == trained[1]


def test_a_run_that_diverges_at_once_is_eager(dataset: Dataset) -> None:
    run, start = begun(dataset, model_for(dataset, batchnorm=False), lr=1e38)
    steps, said = chosen(run, dataset, start, recorded)
    assert isinstance(steps, TorchSteps)
    assert said == []


def test_nan_is_a_deviation() -> None:
    one, nan = {"W1": torch.ones(2)}, {"W1": torch.tensor([1.0, torch.nan])}
    assert deviation(one, one, one) is None
    assert deviation(nan, one, one) == ("replayed, W1 is off by nan; rounding explains 0.0e+00")
