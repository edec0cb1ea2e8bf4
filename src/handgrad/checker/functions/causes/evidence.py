"""What causes look at: one failing sample, the reference to run on changed inputs, and the grid."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from handgrad.checker.functions.inputs.values import is_floating
from handgrad.checker.functions.runs.bench import Bench, Quantity, doubles
from handgrad.checker.functions.runs.explore import Explored
from handgrad.checker.functions.runs.ratio import limit_of, ratio_to_truth
from handgrad.checker.functions.runs.trial import Fault, Key, Trial, key_of, run
from handgrad.checker.functions.runs.truth import Results, Truth
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.checker.passes.compare import ratio_of


class FunctionFinding(NamedTuple):
    """A cause that was confirmed, and its fix. `sample`: one that shows it better."""

    message: str
    fix: str
    sample: CheckSample | None = None


@dataclass(frozen=True)
class FunctionEvidence:
    """One way of failing, at the simplest sample that fails so."""

    bench: Bench
    explored: Explored
    key: Key
    trial: Trial

    @property
    def sample(self) -> CheckSample:
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
    def failure(self) -> str:
        """What happens in the sample, as the end of a sentence that says when."""
        return f"{self.phase} raises this" if self.kind == "raised" else "the result is wrong"

    @property
    def fault(self) -> Fault:
        return next(fault for fault in self.trial.faults if key_of(fault) == self.key)

    @property
    def truth(self) -> Truth:
        assert self.trial.truth is not None
        return self.trial.truth

    @property
    def hand(self) -> Tensor:
        """What the function returned for the quantity."""
        return self.trial.results[self.quantity]

    @property
    def right(self) -> Tensor:
        """What it should have returned, in float64."""
        return self.truth.results[self.quantity]

    @property
    def comparable(self) -> bool:
        """Whether there are two values of the same shape to compare."""
        return self.kind in ("wrong", "again") and self.quantity in self.trial.results

    def name(self, index: int) -> str:
        """Return the name of an input."""
        return self.bench.inputs.names[index]

    def explains(self, candidate: Tensor | None) -> bool:
        """Return whether `candidate` (float64) is what the function returned, and not the truth."""
        hand, right = self.hand, self.right
        if candidate is None or candidate.shape != hand.shape or not hand.numel():
            return False
        eps = torch.finfo(getattr(torch, self.sample.dtype)).eps
        size = candidate.abs()
        finite = size[size.isfinite()]
        typical = finite.square().mean().sqrt() if finite.numel() else size.new_zeros(())
        noise = self.truth.noise(self.quantity) + eps * (size + typical)
        if self.trial.single:
            noise = noise * (torch.finfo(torch.float32).eps / eps)
        limit = limit_of(self.sample)
        if ratio_of(right, None, candidate, noise) <= limit:
            return False
        return ratio_of(hand, None, candidate, noise) <= limit

    def with_changes(
        self,
        values: Sequence[object] | None = None,
        upstream: Sequence[Tensor] | None = None,
        mode: TorchFunctionMode | None = None,
    ) -> Tensor | None:
        """Return the right quantity for other values or upstream gradients, or under a mode."""
        results = self.truth.with_changes(values, upstream, mode)
        return None if results is None else results.get(self.quantity)

    def with_upstream(self, change: Callable[[Tensor], Tensor | None]) -> Tensor | None:
        """Return the right quantity with every upstream gradient changed."""
        upstream = self.truth.upstream
        changed = [u for u in map(change, doubles(upstream)) if u is not None]
        return self.with_changes(upstream=changed) if len(changed) == len(upstream) else None

    def with_value(self, index: int, value: Tensor) -> Tensor | None:
        """Return the right quantity with the value of one input changed."""
        values = [value if i == index else v for i, v in enumerate(self.truth.values)]
        return self.with_changes(values=values)

    def run(self, sample: CheckSample) -> Trial:
        """Run another sample, and keep its tensors."""
        return run(self.bench, sample)

    def fails(self, sample: CheckSample) -> bool | None:
        """Return whether another sample fails in the same way; None if it cannot be judged."""
        trial = self.explored.trial(self.bench, sample)
        return trial.has(self.key) if trial.status == "judged" else None

    def at(self, sample: CheckSample) -> "FunctionEvidence | None":
        """Return the same way of failing at another sample, if that fails so."""
        if not self.fails(sample):
            return None
        trial = self.run(sample)
        return replace(self, trial=trial) if trial.has(self.key) else None

    def failing(self) -> list[CheckSample]:
        """Return the samples of the grid that fail in the same way."""
        return [trial.sample for trial in self.explored.judged() if trial.has(self.key)]

    def results_with(self, change: Callable[[Tensor], Tensor]) -> Results | None:
        """Return what the function gives for changed inputs and upstream gradients.

        None if it raises. Gradients are left out if the quantity is an output.
        """
        truth = self.truth
        values = [change(v) if isinstance(v, Tensor) else v for v in truth.values]
        try:
            call = self.bench.run_function(values, truth.wanted)
            results = {Quantity("output", i): t.detach() for i, t in enumerate(call.outputs)}
            if self.quantity.kind != "output":
                gradients = call.gradients(truth.outputs, [change(u) for u in truth.upstream])
                pairs = zip(truth.wanted, gradients, strict=True)
                results |= {Quantity("gradient", i): g for i, g in pairs if g is not None}
        except Exception:
            return None
        return results

    def right_if_contiguous(self) -> bool:
        """Return whether the function is right for the same numbers, all contiguous."""
        results = self.results_with(Tensor.contiguous)
        if results is None or self.quantity.kind == "run":
            return results is not None
        value = results.get(self.quantity)
        return value is not None and (
            ratio_to_truth(self.truth, self.quantity, value) <= limit_of(self.sample)
        )

    def floating_inputs(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the position and the value, in float64, of each floating input."""
        for i, value in enumerate(doubles(self.truth.values)):
            if is_floating(value):
                yield i, value

    @cached_property
    def mask(self) -> Tensor:
        """Which elements are wrong."""
        hand, right = self.hand.to(self.right), self.right
        scale = self.truth.noise(self.quantity)
        native = self.truth.native(self.quantity)
        if native is not None:
            error = (native.to(right) - right).abs()
            scale = torch.where(error.isfinite(), torch.maximum(scale, error), scale)
        far = (hand - right).abs() > limit_of(self.sample) * scale.clamp(
            min=torch.finfo(self.hand.dtype).tiny
        )
        return (far | (~hand.isfinite() & right.isfinite())) & (hand != right)
