"""The options of `handgrad train`, and those that commands share.

An option that is not given is None: what was given can be told from what was not, and the defaults
stand in one place, the settings' and the model's own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.schedule import SCHEDULES
from handgrad.train.settings import DTYPES, TrainSettings

DEFAULTS = TrainSettings()
MODEL_DEFAULTS = {
    "block_size": 3,
    "n_embd": 10,
    "n_hidden": 200,
    "n_layer": 1,
    "batchnorm": True,
    "hidden_bias": True,
}
"""The model's own, for --help alone: importing it would import NumPy. A test compares them."""


def _option(*names: str, help: str, default: object = None) -> Any:
    """An option whose `default` is only shown."""
    return typer.Option(*names, help=help, show_default=False if default is None else f"{default}")


def _listed(table: Iterable[str]) -> str:
    return ", ".join(table) + "."


def _of_each(name: str) -> str:
    return ", ".join(f"{getattr(row, name):g} for {key}" for key, row in OPTIMIZERS.items())


def _model_option(name: str, help: str) -> Any:
    return _option(f"--{name.replace('_', '-')}", help=help, default=MODEL_DEFAULTS[name])


Data = Annotated[
    str | None,
    _option(
        "-i", "--data", help="A text file, one item a line; or names, makemore.", default="names"
    ),
]
Out = Annotated[
    Path | None,
    _option("-o", "--out", help="The run folder.", default="the next free runs/<data>-<n>"),
]
Steps = Annotated[int | None, _option("--steps", help="Updates.", default=DEFAULTS.steps)]
BatchSize = Annotated[
    int | None, _option("-b", "--batch-size", help="Examples a step.", default=DEFAULTS.batch_size)
]
Lr = Annotated[float | None, _option("-l", "--lr", help="Learning rate.", default=_of_each("lr"))]
LrDecay = Annotated[
    float | None,
    _option("--lr-decay", help="What it is multiplied by later.", default=DEFAULTS.lr_decay),
]
LrDecayAt = Annotated[
    int | None,
    _option("--lr-decay-at", help="The step from which it is.", default="half the steps"),
]
Schedule = Annotated[
    str | None, _option("--schedule", help=_listed(SCHEDULES), default=DEFAULTS.schedule)
]
BlockSize = Annotated[int | None, _model_option("block_size", "Characters of context.")]
NEmbd = Annotated[int | None, _model_option("n_embd", "Numbers that stand for a character.")]
NHidden = Annotated[int | None, _model_option("n_hidden", "Width of a hidden layer.")]
NLayer = Annotated[int | None, _model_option("n_layer", "Hidden layers.")]
Batchnorm = Annotated[
    bool | None,
    _option("--batchnorm/--no-batchnorm", help="Normalise hidden layers.", default="on"),
]
HiddenBias = Annotated[
    bool | None,
    _option("--hidden-bias/--no-hidden-bias", help="Biases in hidden layers.", default="on"),
]
Init = Annotated[
    str | None,
    _option("--init", help="How parameters start, see docs/train.md.", default=DEFAULTS.init),
]
OptimizerName = Annotated[
    str | None, _option("--optimizer", help=_listed(OPTIMIZERS), default=DEFAULTS.optimizer)
]
WeightDecay = Annotated[
    float | None,
    _option("--weight-decay", help="Decay of all parameters.", default=_of_each("weight_decay")),
]
Seed = Annotated[
    int | None, _option("--seed", help="Parameters and batches follow it.", default=DEFAULTS.seed)
]
Engine = Annotated[
    str | None,
    _option("--engine", help="auto, autograd, chunked, fused, compiled.", default=DEFAULTS.engine),
]
Device = Annotated[
    str | None, _option("--device", help="cpu, cuda, cuda:N.", default=DEFAULTS.device)
]
Threads = Annotated[
    int | None,
    _option("--threads", help="Of the processor, at most.", default="as many as help"),
]
Dtype = Annotated[str | None, _option("--dtype", help=_listed(DTYPES), default=DEFAULTS.dtype)]
EvalEvery = Annotated[
    int | None,
    _option(
        "--eval-every", help="Steps between rows of losses.", default="so that 10 to 50 are written"
    ),
]
VerifyEvery = Annotated[
    int | None,
    _option("--verify-every", help="Steps between checks of a batch's gradients.", default="once"),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Verify the first batch's gradients, if they were once before too."
    ),
]
ShowStep = Annotated[
    bool, typer.Option("--show-step", help="Print the compiled engine's step, and do nothing.")
]
CheckpointEvery = Annotated[
    int | None,
    _option(
        "--checkpoint-every",
        help="Steps between checkpoints.",
        default="a 20th of the steps, 1000 at least",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out, to the same bits.")
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Scalars for TensorBoard in the run folder.")
]
Json = Annotated[
    str | None, _option("--json", help="The result as JSON to a file, or to standard output: -")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
OtherData = Annotated[
    str | None,
    _option("-i", "--data", help="Where the words are now.", default="where they were"),
]
