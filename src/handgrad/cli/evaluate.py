"""`handgrad evaluate`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import options
from handgrad.cli.output import check_target, sayer
from handgrad.errors import SettingsError
from handgrad.files import report_json

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.training.evaluate import SplitLoss
    from handgrad.training.folder import RunFolder

Split = Annotated[
    str | None,
    typer.Option("--split", help="Split: train, val or test.", show_default="all three"),
]
Statistics = Annotated[
    str | None,
    typer.Option(
        "--statistics",
        help="Batchnorm statistics: calibrated (on the train split) or running.",
        show_default="calibrated if the run has them",
    ),
]


def evaluate(
    run: options.RunArgument,
    data: options.OtherDataOption = None,
    split: Split = None,
    statistics: Statistics = None,
    json: options.JsonOption = None,
) -> None:
    """Print a run's loss on each split, in nats and bits per character."""
    from handgrad.data import SPLITS
    from handgrad.processors import available
    from handgrad.training.backends import backend_of
    from handgrad.training.evaluate import STATISTICS, words_cut
    from handgrad.training.folder import open_run

    for name, value, known in (("split", split, SPLITS), ("statistics", statistics, STATISTICS)):
        if value is not None and value not in known:
            raise SettingsError(f"unknown {name} {value}; known: {', '.join(known)}")
    check_target(json)
    opened = open_run(run)
    words = _data(opened, data)
    if line := words_cut(opened.model, words):
        sayer(sys.stderr)(line)
    with backend_of(opened.settings.engine).threads(available(), opened):
        step, used, losses = _losses(opened, words, (split,) if split else SPLITS, statistics)
    _show(losses, to_stderr=json == "-")
    if json is not None:
        report_json(
            json, {"run": str(run), "step": step, "statistics": used, "splits": _as_json(losses)}
        )


def _data(run: "RunFolder", source: str | None) -> "Dataset":
    """Return the run's words, or those that the user names, with a line if they differ."""
    from handgrad.data import open_dataset
    from handgrad.training.start import training_data

    if source is None:
        return training_data(run)
    dataset = open_dataset(source)
    if dataset.fingerprint != run.fingerprint:
        line = f"{dataset.source}: not the words that {run.folder} was trained on"
        sayer(sys.stderr)(line)
    return dataset


def _losses(
    run: "RunFolder", dataset: "Dataset", splits: tuple[str, ...], statistics: str | None
) -> "tuple[int, str | None, dict[str, SplitLoss | None]]":
    """Return the checkpoint's step, the statistics used (None without batchnorm), the losses."""
    from handgrad.training.checkpoint import load
    from handgrad.training.evaluate import EvaluationData, split_loss, with_statistics

    at = load(run.folder, run.model, engine=run.settings.engine)
    state = with_statistics(run.model, at.state, statistics)
    data = EvaluationData(dataset, run.model, run.vocabulary)
    used = "calibrated" if len(state) > len(run.model.state_shapes()) else "running"
    losses = {split: split_loss(run.model, at.params, state, data, split) for split in splits}
    return at.weights_of or at.step, used if state else None, losses


def _show(losses: "dict[str, SplitLoss | None]", *, to_stderr: bool) -> None:
    say = sayer(sys.stderr if to_stderr else sys.stdout)
    say(f"{'split':<6}{'examples':>12}{'nats/char':>12}{'bits/char':>12}")
    for split, loss in losses.items():
        if loss is None:
            say(f"{split:<6}{0:>12}{'-':>12}{'-':>12}")
        else:
            say(f"{split:<6}{loss.examples:>12}{loss.nats:>12.4f}{loss.bits:>12.4f}")


def _as_json(losses: "dict[str, SplitLoss | None]") -> dict[str, object]:
    return {
        split: loss and {"examples": loss.examples, "nats": loss.nats, "bits": loss.bits}
        for split, loss in losses.items()
    }
