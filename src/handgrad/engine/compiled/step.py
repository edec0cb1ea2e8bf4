"""A model's compiled step with its memory."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.data.vocabulary import token_dtype
from handgrad.engine.compiled.build import build
from handgrad.engine.compiled.memory import Array, Arrays, in_one, side_by_side
from handgrad.engine.compiled.names import (
    Bound,
    batch_shapes,
    bind,
    gradient_shapes,
    thread_scratch,
    views,
)
from handgrad.engine.compiled.source import FIXED, argument_names, step_source
from handgrad.engine.compiled.team import Team
from handgrad.engine.compiled.threads import Pace, at_most
from handgrad.engine.compiled.treatment import UNTREATED, is_untreated, treatment_shapes
from handgrad.models import Model
from handgrad.optim import Hyperparameters, Treatment

NO_HYPERPARAMETERS = Hyperparameters(0.0, 0.0, 0.0, 0.0)


class TrainingStep:
    """Steps of `model` at one batch size and dtype, on a fixed set of arrays.

    `params`, `state` and `optimizer` (its tensors, `first.W1`, ...) are C-contiguous, of one float
    type, and change in-place in `run`. `grads` are the gradients of the last step. The limit of
    threads is the one in force at construction.
    """

    def __init__(
        self,
        model: Model,
        batch_size: int,
        params: Arrays,
        state: Arrays,
        optimizer: Arrays | None = None,
        optimizer_name: str = "sgd",
        hyper: Hyperparameters = NO_HYPERPARAMETERS,
        treatment: Treatment = UNTREATED,
    ) -> None:
        """Raises SettingsError if the model cannot be compiled."""
        moments = {name.replace(".", "_", 1): array for name, array in (optimizer or {}).items()}
        self.dtype = next(iter(params.values())).dtype
        bound = bind(model, batch_size)
        gradients, memory = _memory(model, batch_size, bound, self.dtype)
        self.grads = {name: memory[f"d{name}"] for name in params}
        self._steps = build(step_source(model, optimizer_name, treatment), self.dtype.name)
        self._batches = treatment.accumulate
        self._numbers = _numbers(hyper, treatment)
        self._batch = {name: memory[name] for name in batch_shapes(model, batch_size)}
        self._memory = memory
        self._no_tokens = _read_only(np.zeros(0, token_dtype(model.vocab_size)))
        self._team, self._pace = Team(at_most()), Pace(at_most())
        treated = _treatment_memory(treatment, gradients)
        arrays = {**memory, **params, **state, **moments, **treated}
        names = argument_names(model, optimizer_name, treatment)[len(FIXED) :]
        scratch = thread_scratch(bound)
        self._arguments: list[list[npt.NDArray[Any]]] = []  # of each thread
        for _ in range(self._team.most):
            self._arguments.append([arrays[name] for name in names])
            arrays |= side_by_side(scratch, self.dtype)

    def run(
        self,
        tokens: npt.NDArray[Any],
        positions: npt.NDArray[np.int64],
        schedule: npt.NDArray[np.float64],
        key: tuple[int, int] = (0, 0),
    ) -> npt.NDArray[np.float64]:
        """Train on the examples or words at `positions` (S, B) of `tokens`; return the losses.

        Losses are in nats per character, (S,) or fewer: up to the first that is not finite.
        `schedule` (S, 3): learning rates and the two bias corrections of kernels/optimizers.py; one
        row for each update, which uses as many rows of `positions` as batches are accumulated.
        `key`, the seed and the number of the first batch, is what random layers draw from.
        """
        if "key" in self._batch:
            self._batch["key"][...] = key[0], key[1] - 1  # each batch adds one first
        losses, read_only, done = np.empty(len(positions)), _read_only(tokens), 0
        while done < len(losses):
            updates = max(1, self._pace.steps(len(losses) - done) // self._batches)
            block = slice(done, done + updates * self._batches)
            rates = schedule[done // self._batches :][:updates]
            of_block = (positions[block], rates, self._numbers, losses[block])
            done += self._pace.timed(partial(self._call, (read_only, *of_block, True)))
            if not np.isfinite(losses[done - 1]):
                break
        return losses[:done]

    def loss_and_grads(self, *batch: npt.NDArray[Any]) -> float:
        """Return the loss of a batch: inputs, targets and, of words, offsets and a key.

        The gradients are in `grads`, and the state moves. No parameter changes.
        """
        for held, given in zip(self._batch.values(), batch, strict=False):
            held[: len(given)] = given
        losses = np.empty(1)
        fixed = (self._no_tokens, _NO_POSITIONS, _NO_SCHEDULE, self._numbers, losses, False)
        self._call(fixed, self._team.most)
        return float(losses[0])

    def _call(self, fixed: tuple[Any, ...], threads: int) -> int:
        """Call the steps with the arguments of FIXED after the team."""

        def task(thread: int, team: npt.NDArray[np.int64]) -> int:
            done: int = self._steps(thread, team, *fixed, *self._arguments[thread])
            return done

        return self._team.run(task, threads)


def _read_only(tokens: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: numba compiles writable and read-only arrays separately."""
    view = np.asarray(tokens).view()
    view.flags.writeable = False
    return view


_NO_POSITIONS = np.zeros((1, 0), np.int64)
_NO_SCHEDULE = np.zeros((1, 3))


def _numbers(hyper: Hyperparameters, treatment: Treatment) -> npt.NDArray[np.float64]:
    """Return `numbers` of the source."""
    if is_untreated(treatment):
        return np.array(hyper, dtype=np.float64)
    return np.array([*hyper, treatment.clip or 0.0, treatment.accumulate], dtype=np.float64)


def _treatment_memory(treatment: Treatment, gradients: Array) -> dict[str, Array]:
    shapes = treatment_shapes(treatment, gradients.size)
    types = {"gradient_squares": np.float64}
    memory = {name: np.zeros(x, types.get(name, gradients.dtype)) for name, x in shapes.items()}
    return memory | {"gradients": gradients}


def _memory(
    model: Model, batch_size: int, bound: tuple[Bound, ...], dtype: Any
) -> tuple[Array, dict[str, Array]]:
    """Return all gradients of parameters (n,); batch, nodes, gradients and scratch by name.

    Arrays that are only read are 0.
    """
    memory = {
        name: np.zeros(shape, np.int64) for name, shape in batch_shapes(model, batch_size).items()
    }
    shapes = gradient_shapes(bound, model.shapes())
    of_params = {f"d{name}": shapes.pop(f"d{name}") for name in model.shapes()}
    gradients, arrays = in_one(of_params, dtype)
    for one in bound:
        shapes |= one.shapes
    memory |= arrays | side_by_side(shapes, dtype)
    # a value that no backward reads shares its memory with its gradient: less memory, faster caches
    kept = {name for one in bound if not one.is_view for name in one.arguments("backward")}
    kept |= {source for source, _, _ in views(bound)}  # through the view
    read = {name for one in bound for name in one.call.inputs}
    for one in bound:
        for output in one.call.outputs:
            if output in shapes and output in read - kept:
                memory[f"d{output}"] = memory[output]
    for source, view, shape in views(bound):
        for mark in ("", "d"):
            memory[mark + view] = memory[mark + source].reshape(shape)
    return gradients, memory
