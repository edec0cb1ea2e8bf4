"""Before steps are replayed: from the run's own start, do they end where eager steps end?

The kernels are the same and the bits mostly too, but not always: gradients of embeddings are added
up in whatever order a GPU's threads come, and a library may choose another product within a graph.
How far rounding of any kind takes a tensor in so many steps is found out rather than assumed:
eager steps are taken again from starts that are off by some units in the last place. So no tensor
needs a tolerance of its own, a bias before batchnorm included, whose gradient is nothing but
rounding, and which Adam moves as far as any other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from handgrad.train.checkpoint import Checkpoint, all_finite
from handgrad.train.interrupt import Stop
from handgrad.train.runtime.graphs import Capture, GraphSteps, unchanged
from handgrad.train.runtime.tensors import TorchSteps

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train.folder import Run
    from handgrad.train.runtime import Numbers, Say, Steps

STEPS = 4
"""In two looks, the second one over what the first has left in memory."""
PERTURBED = 3
"""Starts that are off: the chance that all of them miss what rounding can do is small."""
UNITS = 4
"""By which their numbers are off at most, in the last place: a step rounds a number a few times."""
TIMES = 16
"""What those starts come to, that a replay may be off by. Between what was measured: engines whose
sums run in quite other orders come to 7 at most, over 192 kinds of run; of a step's operations, the
one that is missed least where it is left out, AdamW's weight decay, comes to 49."""


def proven(
    run: "Run", dataset: "Dataset", start: Checkpoint, say: "Say", capture: Capture
) -> "Steps":
    """Steps by replay where they prove right; elsewhere eager ones, and a line that says why.

    Both go on from `start`, whose tensors keep their values and places. A run that diverges within
    these few steps proves nothing: it is left to eager steps, and the loop will say so.
    """
    end = min(start.step + STEPS, run.settings.steps)
    eager = [
        _after(TorchSteps(run, dataset, begun), start.step, end)
        for begun in (_copied(start), *(_perturbed(start, seed) for seed in range(PERTURBED)))
    ]
    if not all(all_finite(numbers) for numbers in eager[0].values()):
        return TorchSteps(run, dataset, start)
    steps: Steps
    with unchanged([*start.params.values(), *start.state.values(), *start.optimizer.values()]):
        try:
            steps = GraphSteps(run, dataset, start, capture)
            wrong = deviation(_after(steps, start.step, end), *eager)
        except RuntimeError as error:  # what torch raises, for CUDA too
            wrong = f"a step cannot be captured and replayed ({_first_line(error)})"
    if wrong is None:
        return steps
    say(f"no CUDA graph, steps are launched from Python: {wrong}")
    return TorchSteps(run, dataset, start)


def deviation(replayed: "Numbers", eager: "Numbers", *perturbed: "Numbers") -> str | None:
    """What in `replayed` is further from `eager` than rounding explains, or None."""
    for name, expected in eager.items():
        off = _apart(replayed[name], expected)
        spread = max(_apart(other[name], expected) for other in perturbed)
        # stored, and updated before, at each step
        stored = UNITS * torch.finfo(expected.dtype).eps * expected.abs().max().item()
        if not off <= TIMES * (spread + stored):
            return f"replayed, {name} is off by {off:.1e}, where rounding explains {spread:.1e}"
    return None


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference between two entries."""
    return (one - other).abs().max().item()


def _after(steps: "Steps", first: int, end: int) -> "Numbers":
    """Copies of all that the steps `first` to `end` come to, by name."""
    half = (first + end + 1) // 2
    losses = [
        loss for a, b in ((first, half), (half, end)) if a < b for loss in steps.go(a, b, Stop())
    ]
    dtype = next(iter(steps.params.values())).dtype
    numbers = {**steps.params, **steps.state, **steps.optimizer}
    return {"the loss": torch.tensor(losses, dtype=dtype), **_clones(numbers)}


def _copied(start: Checkpoint) -> Checkpoint:
    return replace(
        start,
        params=_clones(start.params),
        state=_clones(start.state),
        optimizer=_clones(start.optimizer),
    )


def _perturbed(start: Checkpoint, seed: int) -> Checkpoint:
    """A copy, every number off by up to UNITS in the last place."""
    copied = _copied(start)
    generator = torch.Generator().manual_seed(seed)  # its own: nothing else shall draw otherwise
    for value in (*copied.params.values(), *copied.state.values(), *copied.optimizer.values()):
        off = torch.rand(value.shape, generator=generator, dtype=value.dtype) * 2 - 1
        value.mul_(1 + UNITS * torch.finfo(value.dtype).eps * off.to(value.device))
    return copied


def _clones(numbers: Mapping[str, Tensor]) -> "Numbers":
    return {name: value.clone() for name, value in numbers.items()}


def _first_line(error: BaseException) -> str:
    """Of the first error of those that led to this one: ending a capture that failed fails too."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error).splitlines() or [type(error).__name__])[0]
