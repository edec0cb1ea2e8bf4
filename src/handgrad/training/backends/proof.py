"""Verify replayed steps against eager steps, from the run's own start, before they are used.

The kernels are the same and so are most bits, but not all: a GPU adds the gradients of embeddings
in any order, and a library may choose another product kernel within a graph. The effect of rounding
is measured, not assumed: the eager steps run again from starts whose numbers are off by a few units
in the last place. No tensor then needs its own tolerance, not even a bias before batchnorm, whose
gradient is pure rounding and which Adam moves as far as any other parameter.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from handgrad.training.backends.eager import TorchSteps
from handgrad.training.backends.graphs import Capture, GraphSteps, unchanged
from handgrad.training.backends.protocol import Say, Steps
from handgrad.training.folder import RunFolder
from handgrad.training.interrupt import Stop
from handgrad.training.state import Checkpoint, Numbers, all_finite

if TYPE_CHECKING:
    from handgrad.data import Dataset

STEPS = 4
"""Steps to compare, in two blocks: the second reuses the memory that the first has written to."""
PERTURBED = 3
"""Number of perturbed starts: it is unlikely that all of them underestimate rounding."""
UNITS = 4
"""Maximum perturbation, in units in the last place: a step rounds a number a few times."""
TIMES = 16
"""Permitted deviation of a replay, in units of the perturbed runs' deviation. Chosen between two
measurements: engines that add in another order deviate by at most 7 (192 kinds of run); leaving out
the operation with the smallest effect, AdamW's weight decay, deviates by 49."""


def proven(
    run: RunFolder, dataset: "Dataset", start: Checkpoint, say: Say, capture: Capture
) -> Steps:
    """Return replayed steps if they are verified, else eager ones, and say why.

    Both continue from `start`, whose tensors keep their values and addresses. A run that diverges
    within these few steps gets eager ones: nothing can be verified, and the loop reports it.
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


def deviation(replayed: Numbers, eager: Numbers, *perturbed: Numbers) -> str | None:
    """Return what in `replayed` deviates from `eager` by more than rounding explains, or None."""
    for name, expected in eager.items():
        difference = _largest_difference(replayed[name], expected)
        spread = max(_largest_difference(other[name], expected) for other in perturbed)
        # rounding of the stored value, once for each step
        stored = UNITS * torch.finfo(expected.dtype).eps * expected.abs().max().item()
        if not difference <= TIMES * (spread + stored):
            return f"replayed, {name} is off by {difference:.1e}; rounding explains {spread:.1e}"
    return None


def _largest_difference(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


def _after(steps: Steps, first: int, end: int) -> Numbers:
    """Take the steps `first` to `end`; return copies of all results, by name."""
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
    """Return a copy with every number off by up to UNITS units in the last place."""
    copied = _copied(start)
    generator = torch.Generator().manual_seed(seed)  # separate: other draws must not change
    for value in (*copied.params.values(), *copied.state.values(), *copied.optimizer.values()):
        noise = torch.rand(value.shape, generator=generator, dtype=value.dtype) * 2 - 1
        value.mul_(1 + UNITS * torch.finfo(value.dtype).eps * noise.to(value.device))
    return copied


def _clones(numbers: Mapping[str, Tensor]) -> Numbers:
    return {name: value.clone() for name, value in numbers.items()}


def _first_line(error: BaseException) -> str:
    """Return the first error's message: ending a capture that failed raises another error."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error).splitlines() or [type(error).__name__])[0]
