"""The options of `handgrad train`, and those that commands share.

An option that the user does not give is None. The commands can then tell which options were given,
and the defaults are in one place: the settings and the model.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from handgrad.optim import OPTIMIZERS, SCHEDULES
from handgrad.training.settings import DTYPES, TrainSettings

DEFAULTS = TrainSettings()


def option(*names: str, help: str, default: object = None) -> Any:
    """Return an option whose `default` is only displayed."""
    return typer.Option(*names, help=help, show_default=False if default is None else f"{default}")


def choices(what: str, table: Iterable[str]) -> str:
    return f"{what}: {', '.join(table)}."


def _of_each(name: str) -> str:
    return ", ".join(f"{getattr(row, name):g} for {key}" for key, row in OPTIMIZERS.items())


DataOption = Annotated[
    str | None,
    option(
        "-i", "--data", help="Text file, one item per line; or names, makemore.", default="names"
    ),
]
OutOption = Annotated[
    Path | None,
    option(
        "-o", "--out", "--work-dir", help="Run folder.", default="the next free runs/<data>-<n>"
    ),
]
StepsOption = Annotated[
    int | None,
    option("--steps", "--max-steps", help="Number of training steps.", default=DEFAULTS.steps),
]
BatchSizeOption = Annotated[
    int | None,
    option(
        "-b",
        "--batch-size",
        help="Examples per step: characters with their contexts, or words, depending on the model.",
        default=DEFAULTS.batch_size,
    ),
]
EpochsOption = Annotated[
    int | None,
    option("--epochs", help="Passes over the train split, in place of --steps."),
]
AccumulateOption = Annotated[
    int | None,
    option(
        "--accumulate",
        help="Batches per step, whose mean gradient is used.",
        default=DEFAULTS.accumulate,
    ),
]
ClipOption = Annotated[
    float | None,
    option("--clip", help="Maximum norm of all gradients together; larger ones are scaled to it."),
]
LrOption = Annotated[
    float | None, option("-l", "--lr", help="Learning rate.", default=_of_each("lr"))
]
LrDecayOption = Annotated[
    float | None,
    option(
        "--lr-decay",
        help="Factor applied to the learning rate at --lr-decay-at, for the schedule step.",
        default=DEFAULTS.lr_decay,
    ),
]
LrDecayAtOption = Annotated[
    int | None,
    option("--lr-decay-at", help="Step at which --lr-decay applies.", default="half of the steps"),
]
ScheduleOption = Annotated[
    str | None,
    option(
        "--schedule",
        help=choices("Learning rate schedule", SCHEDULES),
        default=DEFAULTS.schedule,
    ),
]
LrMinOption = Annotated[
    float | None,
    option(
        "--lr-min",
        help="Learning rate that the schedules linear and cosine decay to.",
        default=0,
    ),
]
WarmupOption = Annotated[
    int | None,
    option(
        "--warmup",
        help="Steps in which the learning rate grows linearly to the schedule's.",
        default=0,
    ),
]
InitFromOption = Annotated[
    Path | None,
    option("--init-from", help="Run whose model, vocabulary and parameters training starts from."),
]
OptimizerOption = Annotated[
    str | None,
    option("--optimizer", help=choices("Optimizer", OPTIMIZERS), default=DEFAULTS.optimizer),
]
WeightDecayOption = Annotated[
    float | None,
    option(
        "--weight-decay",
        help="Weight decay: of all parameters for sgd, of matrices for adam and adamw.",
        default=_of_each("weight_decay"),
    ),
]
SeedOption = Annotated[
    int | None,
    option("--seed", help="Seed of the parameters and batches.", default=DEFAULTS.seed),
]
EngineOption = Annotated[
    str | None,
    option(
        "--engine",
        help="Engine: auto, autograd, chunked, fused, compiled.",
        default=DEFAULTS.engine,
    ),
]
DeviceOption = Annotated[
    str | None, option("--device", help="Device: cpu, cuda, cuda:N.", default=DEFAULTS.device)
]
ThreadsOption = Annotated[
    int | None,
    option("--threads", help="Maximum number of CPU threads.", default="as many as save time"),
]
DtypeOption = Annotated[
    str | None, option("--dtype", help=choices("Data type", DTYPES), default=DEFAULTS.dtype)
]
EvalEveryOption = Annotated[
    int | None,
    option(
        "--eval-every", help="Steps between evaluations.", default="10 to 50 evaluations per run"
    ),
]
VerifyEveryOption = Annotated[
    int | None,
    option(
        "--verify-every",
        help="Steps between verifications of a batch's gradients.",
        default="once, before the first step",
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Verify the first batch's gradients even if an earlier run verified them.",
    ),
]
ShowStepOption = Annotated[
    bool, typer.Option("--show-step", help="Print the source of the compiled step and exit.")
]
CheckpointEveryOption = Annotated[
    int | None,
    option(
        "--checkpoint-every",
        help="Steps between checkpoints.",
        default="a 20th of the steps, at least 1000",
    ),
]
PatienceOption = Annotated[
    int | None,
    option("--patience", help="Evaluations without a better val loss that finish the run."),
]
BestOption = Annotated[
    bool | None,
    option(
        "--best/--last",
        help="Weights of the finished run: those with the lowest val loss, or the last.",
        default="last",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Resume the run in --out, to --steps if given; the bits are those of an uninterrupted "
        "run.",
    ),
]
TensorBoardOption = Annotated[
    bool, typer.Option("--tensorboard", help="Write TensorBoard scalars to the run folder.")
]
JsonOption = Annotated[
    str | None, option("--json", help="Write the result as JSON to a file; - is standard output.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.", show_default=False)]
OtherDataOption = Annotated[
    str | None,
    option("-i", "--data", help="Words file.", default="as in training"),
]
