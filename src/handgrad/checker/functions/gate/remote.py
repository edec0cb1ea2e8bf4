"""The candidate as a function of the judge: it computes in its own process, on shared memory.

To the check it is a function that autograd can differentiate, as any other. What the candidate does
to its inputs and upstream gradients happens to the judge's copies too, so that the check sees it.
"""

import itertools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.gate import wire
from handgrad.checker.functions.gate.process import Candidate, ProcessLostError


@dataclass(eq=False)
class RemoteCall:
    """One call. Its memory is given back when the judge's graph of it is gone."""

    candidate: Candidate
    number: int
    generation: int
    tree: Any
    places: list[int] = field(default_factory=list)
    inputs: list[tuple[wire.Message, Tensor]] = field(default_factory=list)
    """What the forward got, in the shared memory and here."""
    result: Any = None
    """How the tensors of the result are nested."""

    def put(self, values: Sequence[Tensor]) -> list[wire.Message]:
        """Write tensors to the shared memory."""
        described = []
        for value in values:
            described.append(self.candidate.arena.put(value.detach()))
            self.places.append(described[-1]["at"])
        return described

    def ask(
        self, phase: str, do: str, values: Sequence[Tensor], **more: Any
    ) -> tuple[wire.Message, list[Tensor]]:
        """Send a request about this call, and copy back what the candidate wrote to its inputs."""
        described = self.put(values)
        if do != "forward" and self.generation != self.candidate.generation:
            raise ProcessLostError("the process of this call has ended")
        answer, results = self.candidate.ask(
            phase, {"do": do, "call": self.number, **more}, described
        )
        shared = list(zip(described, (v.detach() for v in values), strict=True))
        self.inputs = self.inputs or shared
        for description, value in self.inputs + shared:
            self.candidate.arena.mirror(description, value)
        return answer, [r.to(values[0].device) if values else r for r in results]


def _release(candidate: Candidate, generation: int, number: int, places: list[int]) -> None:
    for place in places:
        candidate.arena.free(place)
    candidate.drop(generation, number)


class Remote:
    """Calls the candidate. `__name__` is its name in the report."""

    def __init__(self, candidate: Candidate, name: str) -> None:
        self._candidate = candidate
        self._numbers = itertools.count()
        self.__name__ = name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the candidate, as it would be called here."""
        tensors: list[Tensor] = []
        tree = wire.packed((arguments, options), tensors)
        if not self._candidate.alive:
            self._candidate.begin()
        call = RemoteCall(self._candidate, next(self._numbers), 0, tree)
        weakref.finalize(
            call, _release, self._candidate, self._candidate.generation, call.number, call.places
        )
        outputs = _Forward.apply(call, *tensors)  # type: ignore[no-untyped-call]
        return wire.unpacked(call.result, outputs)

    def __repr__(self) -> str:
        return self.__name__


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: RemoteCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        wanted = [i for i, t in enumerate(tensors) if t.requires_grad]
        answer, outputs = call.ask(
            "forward",
            "forward",
            tensors,
            tree=call.tree,
            wanted=wanted,
            threads=torch.get_num_threads(),
        )
        call.generation = call.candidate.generation
        call.result = answer["tree"]
        call.candidate.observed.kept |= bool(answer["kept"])
        if answer["random"]:
            torch.rand(())
        ctx.call, ctx.wanted = call, wanted
        ctx.set_materialize_grads(False)
        if not answer["in_place"]:
            ctx.save_for_backward(*tensors)
        still = [
            o for o, yes in zip(outputs, answer["requires"], strict=True)
            if not yes or not o.is_floating_point()
        ]  # fmt: skip
        ctx.mark_non_differentiable(*still)
        for i, j in answer["in_place"]:  # the candidate overwrites an input and returns it
            with torch.no_grad():
                tensors[j].copy_(outputs[i])
            outputs[i] = tensors[j]
        ctx.mark_dirty(*(tensors[j] for _, j in answer["in_place"]))
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        call: RemoteCall = ctx.call
        at = [i for i, u in enumerate(upstream) if u is not None]
        given = [u for u in upstream if u is not None]
        if torch._C._current_graph_task_id() == -1:  # a cause asks for what backward returns
            return (None, *_gapped(call.ask("backward", "returned", given, outputs=at)))[1:]
        if torch.is_grad_enabled():
            wanted = [ctx.saved_tensors[i] for i in ctx.wanted]
            gradients = _Backward.apply(call, at, len(given), *given, *wanted)  # type: ignore[no-untyped-call]
        else:
            gradients = _gapped(call.ask("backward", "gradients", given, outputs=at, graph=False))
        places = dict(zip(ctx.wanted, gradients, strict=True))
        return (None, *(places.get(i) for i in range(len(ctx.needs_input_grad) - 1)))


class _Backward(torch.autograd.Function):
    """The gradients of a call, which can be differentiated once more."""

    @staticmethod
    def forward(
        ctx: Any, call: RemoteCall, at: list[int], count: int, *tensors: Tensor
    ) -> tuple[Tensor | None, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        given = tensors[:count]
        return tuple(_gapped(call.ask("backward", "gradients", given, outputs=at, graph=True)))

    @staticmethod
    def backward(ctx: Any, *along: Tensor | None) -> tuple[Any, ...]:
        at = [i for i, v in enumerate(along) if v is not None]
        given = [v for v in along if v is not None]
        return (
            None,
            None,
            None,
            *_gapped(ctx.call.ask("double backward", "second", given, outputs=at)),
        )


def _gapped(answer: tuple[wire.Message, list[Tensor]]) -> list[Tensor | None]:
    """Return gradients at their positions, None where there is none."""
    message, tensors = answer
    gradients: list[Tensor | None] = [None] * int(message["count"])
    for i, tensor in zip(message["at"], tensors, strict=True):
        gradients[i] = tensor
    return gradients
