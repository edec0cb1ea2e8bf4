"""The settings of a training run: one frozen record, checked in one place, the same in JSON.

The model's sizes are a separate record (`handgrad.models`); both are saved in the run folder.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from handgrad.errors import SettingsError
from handgrad.optim import (
    OPTIMIZERS,
    SCHEDULES,
    WITH_MINIMUM,
    Hyperparameters,
    ScheduleNumbers,
    Treatment,
    learning_rate,
)

if TYPE_CHECKING:
    from handgrad.models import Model

DTYPES = ("float32", "float64")
MAX_SEED = 2**63 - 1  # accepted by torch's and NumPy's generators


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. None is a default that depends on others; `resolved` fills it in."""

    steps: int = 200_000
    epochs: int | None = None
    """Passes over the train split, in place of `steps`; `steps` is then computed from the data."""
    batch_size: int = 32
    accumulate: int = 1
    """Number of batches of a step: the update uses their mean gradient."""
    lr: float | None = None
    """The highest learning rate, the first one without a warm-up; by default the optimizer's."""
    lr_decay: float = 0.1
    """The schedule "step" multiplies the learning rate by this factor ..."""
    lr_decay_at: int | None = None
    """... from this step on (counted from 0); by default half of the steps."""
    schedule: str = "step"
    lr_min: float = 0.0
    """The schedules "linear" and "cosine" decay to this learning rate."""
    warmup: int = 0
    """Number of steps in which the learning rate grows linearly to the schedule's."""
    clip: float | None = None
    """Maximum norm of all gradients together; larger ones are scaled to it."""
    optimizer: str = "sgd"
    weight_decay: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    seed: int = 42
    engine: str = "auto"
    """`auto` is compiled on the CPU, fused on a GPU."""
    device: str = "cpu"
    threads: int | None = None
    """CPU threads. The compiled engine uses up to this many where they help, by default up to the
    number of CPUs; its bits do not depend on it. Other engines use exactly this many, by default
    one, and their bits may depend on it."""
    dtype: str = "float32"
    init: str | None = None
    """How the parameters start; by default the model's own."""
    eval_every: int | None = None
    """Steps between rows of metrics.csv."""
    checkpoint_every: int | None = None
    patience: int | None = None
    """Evaluations in a row without a better val loss after which the run is finished."""
    best: bool = False
    """Whether the finished run has the weights of the evaluation with the lowest val loss."""
    verify_every: int = 0
    """Steps between verifications of a batch's gradients; 0: only before the first step."""

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem is not None:
            raise SettingsError(problem)

    def resolved(self) -> Self:
        """Return the same settings with every None, and "auto", replaced by its value."""
        optimizer = OPTIMIZERS[self.optimizer]
        automatic = "compiled" if self.device == "cpu" else "fused"
        defaults: dict[str, Any] = {
            "lr": optimizer.lr,
            "weight_decay": optimizer.weight_decay,
            "lr_decay_at": max(1, self.steps // 2),
            # 10 to 50 rows make a readable curve; 50 take a few per cent of the lecture's run
            "eval_every": max(1, self.steps // 50, min(self.steps // 10, 1000)),
            # often enough to lose little in a crash, rarely enough to cost no noticeable time
            "checkpoint_every": max(1000, self.steps // 20),
        }
        missing = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        engine = automatic if self.engine == "auto" else self.engine
        return replace(self, engine=engine, **missing)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The optimizer's numbers; the settings must be resolved."""
        assert self.weight_decay is not None
        return Hyperparameters(self.weight_decay, self.beta1, self.beta2, self.eps)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0; the settings must be resolved."""
        assert self.lr is not None
        assert self.lr_decay_at is not None
        numbers = ScheduleNumbers(
            self.lr, self.steps, self.warmup, self.lr_decay, self.lr_decay_at, self.lr_min
        )
        return learning_rate(self.schedule, numbers, step)

    @property
    def treatment(self) -> Treatment:
        """How gradients are treated before an update."""
        return Treatment(self.clip, self.accumulate)

    def over(self, examples: int) -> Self:
        """Return the settings with `steps` in place of `epochs`, if these are given.

        An epoch has as many steps as cover `examples`, the train split's, once on average.
        """
        if self.epochs is None:
            return self
        per_epoch = math.ceil(examples / (self.batch_size * self.accumulate))
        steps = max(1, self.epochs * per_epoch)
        if self.warmup > steps:
            raise SettingsError(_too_long(self.warmup, steps))
        return replace(self, steps=steps)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict from which `from_json` makes equal settings."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return settings from `to_json`'s dict. Raises SettingsError for unknown names, values."""
        known = {field.name for field in fields(cls)}
        for name in content:
            if name not in known:
                raise SettingsError(f"unknown setting {name}; known: {', '.join(sorted(known))}")
        return cls(**content)


def check_given(given: Iterable[str]) -> None:
    """Raise SettingsError if settings are given that replace one another."""
    if {"steps", "epochs"} <= set(given):
        raise SettingsError("steps and epochs are both given: leave one of them out")


def check_names(settings: TrainSettings, model: "Model") -> None:
    """Raise SettingsError for an unknown engine, or an initialisation that the model lacks."""
    from handgrad.engine import ENGINE_NAMES

    tables = (("engine", ("auto", *ENGINE_NAMES)), ("init", model.initialisations))
    for name, table in tables:
        value = getattr(settings, name)
        if value is not None and value not in table:
            raise SettingsError(f"unknown {name} {value}; known: {', '.join(table)}")


def _problems(settings: TrainSettings) -> Iterator[str]:
    """Yield one line for each value that is invalid by itself."""
    yield from _whole_numbers(settings)
    yield from _numbers(settings)
    tables: dict[str, Iterable[str]] = {
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "dtype": DTYPES,
    }
    for name, table in tables.items():
        if getattr(settings, name) not in list(table):
            yield f"unknown {name} {getattr(settings, name)}; known: {', '.join(table)}"
    best: object = settings.best  # from a file it may be anything
    if not isinstance(best, bool):
        yield f"best is {best!r}; it must be true or false"
    yield from _schedule(settings)


def _too_long(warmup: int, steps: int) -> str:
    return f"warmup is {warmup}; it must be at most the number of steps, {steps}"


def _schedule(settings: TrainSettings) -> Iterator[str]:
    """Yield one line for each number that does not suit the schedule."""
    if settings.epochs is None and settings.warmup > settings.steps:
        yield _too_long(settings.warmup, settings.steps)
    if settings.lr_min and settings.schedule not in WITH_MINIMUM:
        with_it = " and ".join(WITH_MINIMUM)
        yield f"lr_min is for the schedules {with_it}, but the schedule is {settings.schedule}"
    lr = OPTIMIZERS[settings.optimizer].lr if settings.lr is None else settings.lr
    if settings.lr_min > lr:
        yield f"lr_min is {settings.lr_min}; it must be at most lr, {lr}"


def _whole_numbers(settings: TrainSettings) -> Iterator[str]:
    least = {
        "steps": 1,
        "epochs": 1,
        "batch_size": 1,
        "accumulate": 1,
        "warmup": 0,
        "patience": 1,
        "lr_decay_at": 0,
        "eval_every": 1,
        "checkpoint_every": 1,
        "verify_every": 0,
        "threads": 1,
        "seed": 0,
    }
    for name, minimum in least.items():
        value = getattr(settings, name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{name} is {value!r}; it must be a whole number"
        elif value < minimum:
            yield f"{name} is {value}; it must be at least {minimum}"
        elif value > MAX_SEED:
            shown = f"{value}" if value < 2**128 else f"{str(value)[:35]}..."
            yield f"{name} is {shown}; it must be at most {MAX_SEED}"


def _numbers(settings: TrainSettings) -> Iterator[str]:
    for name in ("lr", "lr_decay", "lr_min", "clip", "weight_decay", "beta1", "beta2", "eps"):
        value = getattr(settings, name)
        if value is None:
            continue
        if not isinstance(value, int | float) or not math.isfinite(value):
            yield f"{name} is {value!r}; it must be a finite number"
        elif name in ("weight_decay", "lr_min") and value < 0:
            yield f"{name} is {value}; it must be zero or more"
        elif name in ("lr", "lr_decay", "clip", "eps") and value <= 0:
            yield f"{name} is {value}; it must be more than zero"
        elif name in ("beta1", "beta2") and not 0 <= value < 1:
            yield f"{name} is {value}; it must be at least 0 and less than 1"
