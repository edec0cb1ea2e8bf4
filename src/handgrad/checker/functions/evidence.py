"""What the causes look at: one failing sample, run; the reference to be run otherwise; the grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.bench import (
    Bench,
    Quantity,
    Truth,
    doubles,
    limit_of,
    measured,
)
from handgrad.checker.functions.calls import Call
from handgrad.checker.functions.explore import Explored, Key, has
from handgrad.checker.functions.samples import Sample
from handgrad.checker.functions.trial import Fault, Trial, run
from handgrad.checker.passes.compare import ratio_of


class Finding(NamedTuple):
    """What is the matter, and what mends it. `sample`: one that shows it better."""

    message: str
    fix: str
    sample: Sample | None = None


@dataclass(frozen=True)
class Evidence:
    """One way of failing, at the plainest sample that fails so."""

    bench: Bench
    explored: Explored
    key: Key
    trial: Trial

    @property
    def sample(self) -> Sample:
        return self.trial.sample

    @property
    def kind(self) -> str:
        return self.key[0]

    @property
    def quantity(self) -> Quantity:
        return self.key[1]

    @property
    def phase(self) -> str:
        return self.key[2]

    @property
    def fault(self) -> Fault:
        return next(f for f in self.trial.faults if (f.kind, f.quantity, f.phase) == self.key)

    @property
    def truth(self) -> Truth:
        assert self.trial.truth is not None
        return self.trial.truth

    @property
    def hand(self) -> Tensor:
        """What the function gave for the quantity."""
        return self.trial.found[self.quantity]

    @property
    def right(self) -> Tensor:
        """What it should have given, in float64."""
        return self.truth.found[self.quantity]

    @property
    def values(self) -> bool:
        """Whether there are two values of one shape to compare."""
        return self.kind in ("wrong", "again") and self.quantity in self.trial.found

    @property
    def plain(self) -> bool:
        """Whether nothing but the numbers can be the reason: the sample is the base."""
        own, base = self.sample, self.explored.base
        return replace(own, draw=0) == base

    def name(self, index: int) -> str:
        """The name of an input."""
        return self.bench.inputs.names[index]

    def explains(self, candidate: Tensor | None, of: Quantity | None = None) -> bool:
        """Tell whether `candidate` (float64) is what the function gave, and is not the truth."""
        quantity = of or self.quantity
        hand, right = self.trial.found[quantity], self.truth.found[quantity]
        if candidate is None or candidate.shape != hand.shape or not hand.numel():
            return False
        eps = torch.finfo(getattr(torch, self.sample.dtype)).eps
        size = candidate.abs()
        finite = size[size.isfinite()]
        typical = finite.square().mean().sqrt() if finite.numel() else size.new_zeros(())
        noise = self.truth.noise(quantity) + eps * (size + typical)
        if self.trial.single:
            noise = noise * (torch.finfo(torch.float32).eps / eps)
        limit = limit_of(self.sample)
        if ratio_of(right, None, candidate, noise) <= limit:
            return False
        return ratio_of(hand, None, candidate, noise) <= limit

    def otherwise(
        self,
        values: Sequence[object] | None = None,
        upstream: Sequence[Tensor] | None = None,
        mode: TorchFunctionMode | None = None,
    ) -> Tensor | None:
        """Return the quantity as the reference has it from other inputs, upstream or operations."""
        found = self.truth.of(values, upstream, mode)
        return None if found is None else found.get(self.quantity)

    def with_upstream(self, change: Callable[[Tensor], Tensor | None]) -> Tensor | None:
        """Return the quantity as it would be with every upstream gradient changed."""
        changed = [change(u) for u in doubles(self.truth.upstream)]
        if any(u is None for u in changed):
            return None
        return self.otherwise(upstream=[u for u in changed if u is not None])

    def with_value(self, index: int, value: Tensor) -> Tensor | None:
        """Return the quantity as it would be with one input's value another."""
        values = [value if i == index else v for i, v in enumerate(self.truth.values)]
        return self.otherwise(values=values)

    def at(self, sample: Sample) -> Trial:
        """Run another sample."""
        return run(self.bench, sample)

    def fails(self, sample: Sample) -> bool | None:
        """Tell whether another sample fails in the same way; None where it cannot be judged."""
        trial = self.at(sample)
        return has(trial, self.key) if trial.status == "judged" else None

    def moved(self, sample: Sample) -> "Evidence | None":
        """Return the same way of failing at another sample, if it fails so there."""
        trial = self.at(sample)
        return (
            Evidence(self.bench, self.explored, self.key, trial) if has(trial, self.key) else None
        )

    def in_order(self) -> bool:
        """Tell whether the same numbers, all contiguous, come out right."""
        values = [v.contiguous() if isinstance(v, Tensor) else v for v in self.truth.values]
        try:
            call = Call(self.bench.function, values, self.truth.wanted)
            found: Sequence[Tensor | None] = call.outputs
            if self.quantity.kind != "output":
                upstream = [u.contiguous() for u in self.truth.upstream]
                found = call.gradients(self.truth.outputs, upstream)
        except Exception:  # then it is not how they lie in memory
            return False
        if self.quantity.kind == "run":
            return True
        kind, index = self.quantity
        value = found[index if kind == "output" else self.truth.wanted.index(index)]
        limit = limit_of(self.sample)
        return value is not None and measured(self.truth, self.quantity, value.detach()) <= limit

    def failing(self) -> list[Sample]:
        """Return the samples of the grid that fail so."""
        return [t.sample for t in self.explored.judged() if has(t, self.key)]

    @cached_property
    def mask(self) -> Tensor:
        """Which elements are wrong."""
        hand, right = self.hand.to(self.right), self.right
        scale = self.truth.noise(self.quantity)
        native = self.truth.native(self.quantity)
        if native is not None:
            own = (native.to(right) - right).abs()
            scale = torch.where(own.isfinite(), torch.maximum(scale, own), scale)
        far = (hand - right).abs() > limit_of(self.sample) * scale.clamp(
            min=torch.finfo(self.hand.dtype).tiny
        )
        return (far | (~hand.isfinite() & right.isfinite())) & (hand != right)
