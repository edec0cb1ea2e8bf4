"""What happens to gradients before an update: their mean over batches, clipping by global norm."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from handgrad.constants import CLIP_EPS
from handgrad.optim.optimizers import Tensors

if TYPE_CHECKING:
    from torch import Tensor


class Treatment(NamedTuple):
    """How gradients are treated before an update; by default not at all."""

    clip: float | None = None
    """Maximum norm of all gradients together."""
    accumulate: int = 1
    """Number of batches whose mean gradient an update uses."""

    def mean(self, losses: Sequence[float]) -> list[float]:
        """Return the mean loss of each update's batches.

        The last update may have fewer: a loss was not finite, and its mean is not either.
        """
        if self.accumulate == 1:
            return list(losses)
        groups = range(0, len(losses), self.accumulate)
        updates = [losses[first : first + self.accumulate] for first in groups]
        return [sum(update) / len(update) for update in updates]

    def apply(self, batches: Iterable[Tensors]) -> Tensors:
        """Return the gradients of an update from those of its batches, which do not change."""
        grads = reduce(_sum, batches)
        if self.accumulate > 1:
            grads = _scaled(grads, 1 / self.accumulate)
        return grads if self.clip is None else _scaled(grads, clip_factor(grads, self.clip))


def clip_factor(grads: Tensors, most: float) -> "Tensor":
    """Return what makes the norm of all gradients together at most `most`; at most 1.

    The operations are those of torch.nn.utils.clip_grad_norm_ (Pascanu et al. 2013).
    """
    import torch

    norms = torch._foreach_norm(list(grads.values()))
    norm = torch.linalg.vector_norm(torch.stack(list(norms)))
    return torch.clamp(most / (norm + CLIP_EPS), max=1.0)


def _sum(one: Tensors, other: Tensors) -> Tensors:
    import torch

    total = torch._foreach_add(list(one.values()), [other[name] for name in one])
    return dict(zip(one, total, strict=True))


def _scaled(grads: Tensors, factor: "float | Tensor") -> Tensors:
    import torch

    scaled = torch._foreach_mul(list(grads.values()), factor)
    return dict(zip(grads, scaled, strict=True))
