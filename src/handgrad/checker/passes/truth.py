"""A forward pass differentiated: true gradients in float64, their noise, autograd's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import torch
from torch import Tensor

from handgrad.checker.passes.compare import FORMULA_LIMIT
from handgrad.checker.passes.conventions import unshifted, variants
from handgrad.checker.passes.custom import refuse_disagreeing, refuse_unseen
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.noise import noise_of
from handgrad.checker.passes.replay import Replay, gradients
from handgrad.checker.record.trace import Op


@dataclass(frozen=True, eq=False)
class Part:
    """The contribution of some operations to a node's gradient, or a multiple of the gradient.

    `number` is the id of the node's tensor, `stands_for` keeps the tensor alive that has an id of
    its own. `within` are the indices of the operations.
    """

    number: int
    stands_for: Tensor
    within: range | None = None
    factor: float = 1.0


ROUNDED = 16.0
"""Two gradients that differ by less than so many times the noise are the same."""


@dataclass(frozen=True, eq=False)
class Pass(ForwardPass):
    """One loss with the gradients of its nodes. Each mapping is by the index of the node's Bind."""

    truth: Mapping[int, Tensor]
    """The gradient in float64."""
    parts: Mapping[int, Sequence[tuple[Op, Tensor]]]
    """The contribution of each operation that reads the node; their sum is the truth."""
    noise: Mapping[int, Tensor]
    """How far rounding in the user's dtype moves the gradient, elementwise."""
    autograd: Mapping[int, Tensor]
    """The gradient as autograd computed it in the user's dtype."""
    draws: dict[int, bool]
    """A cache shared by the replays: whether an operation draws random numbers, by its index."""
    factors: Mapping[int, float] = field(default_factory=dict)
    """By which all of the above is multiplied for a node, by the id of its tensor: some files keep
    a factor in their gradients on purpose."""
    common: float = 1.0
    """The factor that `seeds` have for the same reason."""
    parts_of: Mapping[int, "Part"] = field(default_factory=dict)
    """Tensors whose gradient is part of a node's, or a multiple of it, by their ids."""

    def replayed(self) -> Replay:
        """Return the forward pass run again in float64, gradients on."""
        return replayed(self, self.draws)


def differentiated(forward: ForwardPass) -> Pass:
    """Return the pass with truth, contributions, noise and autograd's gradients.

    Where backward() was never called, autograd's gradients come from a replay in the user's dtype.
    Raises RuntimeError where an operation that leads to the loss cannot be run again.
    """
    refuse_unseen(forward)
    draws: dict[int, bool] = {}
    replay = replayed(forward, draws)
    if replay.failures:
        index, reason = next(iter(replay.failures.items()))
        name = next(e.func.__name__ for e in forward.events if type(e) is Op and e.index == index)
        raise RuntimeError(reason if name in reason else f"{name}: {reason}")
    truth, parts = gradients(replay, forward.outputs, forward.seeds, forward.end)
    del replay  # with all its tensors, before others are made
    order = list(truth)
    noise = noise_of(partial(_moved, forward, draws, order), [truth[i] for i in order], forward.eps)
    _add_conventions(forward, draws, truth, noise)
    if forward.backward is not None:
        autograd = forward.backward.gradients
    else:
        native = replayed(forward, draws, dtype=None)
        native.uses.clear()
        autograd, _ = gradients(native, forward.outputs, forward.seeds, forward.end)
    known = {i: n for i, n in zip(order, noise, strict=True) if n is not None}
    if forward.backward is not None:
        refuse_disagreeing(forward, truth, known)
    return Pass(
        **{f.name: getattr(forward, f.name) for f in fields(ForwardPass)},
        truth=truth,
        parts=parts,
        noise=known,
        autograd=autograd,
        draws=draws,
    )


def _add_conventions(
    forward: ForwardPass,
    draws: dict[int, bool],
    truth: Mapping[int, Tensor | None],
    noise: Sequence[Tensor | None],
) -> None:
    """Add to the noise what other right ways of writing the gradient change."""
    for variant in variants(forward):
        found = _moved(variant, draws, list(truth), lambda leaf: leaf)
        for own, value, new in zip(noise, truth.values(), found, strict=True):
            if own is not None and value is not None and new is not None:
                own.add_((new - value).abs().nan_to_num(nan=0.0))
    _add_shifts(forward, draws, truth, noise)


def _add_shifts(
    forward: ForwardPass,
    draws: dict[int, bool],
    truth: Mapping[int, Tensor | None],
    noise: Sequence[Tensor | None],
) -> None:
    """Raise the noise to that of the pass without gradients of maxima, if it is the same."""
    other = unshifted(forward)
    if other is None:
        return
    gradients_of = partial(_moved, other, draws, list(truth))
    values = gradients_of(lambda leaf: leaf)
    moves = [
        None if value is None or new is None else (new - value).abs()
        for value, new in zip(truth.values(), values, strict=True)
    ]
    # the moves are rounding of float64, as a sample of rounding in the user's dtype
    if not _exceed(moves, noise, FORMULA_LIMIT * torch.finfo(torch.float64).eps / forward.eps):
        return
    found = noise_of(gradients_of, values, forward.eps)
    if _exceed(moves, found, ROUNDED):
        return  # the maximum contributes
    for own, more in zip(noise, found, strict=True):
        if own is not None and more is not None:
            torch.maximum(own, more, out=own)


def _exceed(moves: Sequence[Tensor | None], noise: Sequence[Tensor | None], factor: float) -> bool:
    return any(
        bool((move > factor * own).any())
        for move, own in zip(moves, noise, strict=True)
        if move is not None and own is not None
    )


def replayed(
    forward: ForwardPass,
    draws: dict[int, bool],
    dtype: torch.dtype | None = torch.float64,
    move: Callable[[Tensor], Tensor] | None = None,
) -> Replay:
    """Return the forward pass run again with gradients on; `dtype` None keeps the user's dtypes."""
    replay = Replay(
        forward.trace,
        forward.leaves,
        dtype,
        grad=True,
        always_grad=forward.backward is None,
        move=move,
        start=forward.start,
        draws=draws,
    )
    replay.run(forward.events)
    return replay


def _moved(
    forward: ForwardPass,
    draws: dict[int, bool],
    order: Sequence[int],
    move: Callable[[Tensor], Tensor],
) -> list[Tensor | None]:
    """Return each node's gradient from a replay whose results are moved within rounding."""
    replay = replayed(forward, draws, move=move)
    replay.uses.clear()  # only the whole gradients count
    found, _ = gradients(replay, forward.outputs, forward.seeds, forward.end)
    return [found.get(i) for i in order]
