"""A model's compiled step with the memory that it works on."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.data.vocabulary import token_dtype
from handgrad.engine.compiled.build import build
from handgrad.engine.compiled.memory import side_by_side
from handgrad.engine.compiled.names import Bound, bind, gradient_shapes, joins, own_scratch
from handgrad.engine.compiled.source import FIXED, argument_names, step_source
from handgrad.engine.compiled.team import Team
from handgrad.engine.compiled.threads import Pace, at_most
from handgrad.models import Model

Arrays = Mapping[str, npt.NDArray[Any]]


class Step:
    """Steps of `model` at one batch size and dtype, on arrays that are given once.

    `params`, `state` and `optimizer` (its tensors, `first.W1`, ...) are C-contiguous, of one float
    type, and are written to by `run`. `grads` are the gradients of the last step. Up to as many
    threads as are set when it is made work on it.
    """

    def __init__(
        self,
        model: Model,
        batch_size: int,
        params: Arrays,
        state: Arrays,
        optimizer: Arrays | None = None,
        optimizer_name: str = "sgd",
        numbers: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:
        """Raises SettingsError where the model cannot be compiled."""
        kept = {name.replace(".", "_", 1): array for name, array in (optimizer or {}).items()}
        self.dtype = next(iter(params.values())).dtype
        bound = bind(model, batch_size)
        memory = _memory(model, batch_size, bound, self.dtype)
        self.inputs, self.targets = memory["inputs"], memory["targets"]
        self.grads = {name: memory[f"d{name}"] for name in params}
        self._steps = build(step_source(model, optimizer_name), self.dtype.name)
        self._numbers = np.array(numbers, dtype=np.float64)
        self._momentum = model.momentum
        self._memory, self._state = memory, state
        self._no_tokens = _read_only(np.zeros(0, token_dtype(model.vocab_size)))
        self._norms = [one for one in bound if one.call.state]
        self._team, self._pace = Team(at_most()), Pace(at_most())
        held = {**memory, **params, **state, **kept}
        names = argument_names(model, optimizer_name)[len(FIXED) :]
        scratch = own_scratch(bound)
        self._held: list[list[npt.NDArray[Any]]] = []
        for _ in range(self._team.most):
            self._held.append([held[name] for name in names])
            held |= side_by_side(scratch, self.dtype)

    def run(
        self,
        tokens: npt.NDArray[Any],
        positions: npt.NDArray[np.int64],
        schedule: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Train on the examples at `positions` (S, B) of `tokens`: the losses, nats per character,
        (S,) or fewer: up to the first that is not finite.

        `schedule` (S, 3): learning rates and the two corrections of kernels/optimizers.py.
        """
        losses, read_only, done = np.empty(len(positions)), _read_only(tokens), 0
        while done < len(losses):
            some = slice(done, done + self._pace.steps(len(losses) - done))
            of_step = (positions[some], schedule[some], self._numbers, losses[some])
            done += self._pace.timed(partial(self._call, (read_only, *of_step, True)))
            if not np.isfinite(losses[done - 1]):
                break
        return losses[:done]

    def loss_and_grads(self, inputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
        """The loss of the batch; its gradients are in `grads`. Nothing is updated."""
        self.inputs[...], self.targets[...] = inputs, targets
        losses = np.empty(1)
        fixed = (self._no_tokens, _NO_POSITIONS, _NO_SCHEDULE, self._numbers, losses, False)
        self._call(fixed, self._team.most)
        return float(losses[0])

    def moved_state(self) -> dict[str, npt.NDArray[Any]]:
        """What the state would be after the batch of `loss_and_grads`."""
        moved = {}
        for one in self._norms:
            statistics = (self._memory[one.names[local]] for local in ("bnmeani", "bnvar"))
            for name, statistic in zip(one.call.state, statistics, strict=True):
                held = self._state[name]
                moved[name] = held + self.dtype.type(self._momentum) * (statistic - held)
        return moved

    def _call(self, fixed: tuple[Any, ...], threads: int) -> int:
        """With what FIXED names, but for the team before and the momentum after."""

        def part(thread: int, team: npt.NDArray[np.int64]) -> int:
            done: int = self._steps(thread, team, *fixed, self._momentum, *self._held[thread])
            return done

        return self._team.run(part, threads)


def _read_only(tokens: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory, mapped from a file or not, as one type: each is compiled for anew."""
    view = np.asarray(tokens).view()
    view.flags.writeable = False
    return view


_NO_POSITIONS = np.zeros((1, 0), np.int64)
_NO_SCHEDULE = np.zeros((1, 3))


def _memory(
    model: Model, batch_size: int, bound: tuple[Bound, ...], dtype: Any
) -> dict[str, npt.NDArray[Any]]:
    """The batch, every node, gradient and scratch by name. What is only ever read is 0."""
    batch = {"inputs": (batch_size, model.block_size), "targets": (batch_size,)}
    memory = {name: np.zeros(shape, np.int64) for name, shape in batch.items()}
    shapes = gradient_shapes(bound, model.shapes())
    for one in bound:
        shapes |= one.shapes
    memory |= side_by_side(shapes, dtype)
    # the gradient of what no backward reads takes its place: a smaller step stays in nearer caches
    read = {name for one in bound if one.call.layer != "join" for name in one.arguments("backward")}
    read |= {source for source, _, _ in joins(bound)}  # by way of the view
    for one in bound:
        output = one.call.output
        if output in shapes and output not in read:
            memory[f"d{output}"] = memory[output]
    for source, view, shape in joins(bound):
        for mark in ("", "d"):
            memory[mark + view] = memory[mark + source].reshape(shape)
    return memory
