"""The recorded operations run again: in float64, in the user's dtype, or moved by rounding noise.

Only what depends on the leaves is run. Everything else is a constant with the value that it had in
the user's run; random results are such constants. Views, in-place writes and regions without
gradients behave as before, because the same functions run in the same order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks

from handgrad.checker.record.effects import OWN_GRAD, rng_state, set_rng_state
from handgrad.checker.record.trace import Bind, Event, Op, Trace, key_of, tensors_in

_CASTS = {Tensor.float, Tensor.half, Tensor.bfloat16}
_CONSTANT = {
    "bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_",
    "multinomial", "normal", "normal_", "poisson", "rand_like", "randint_like", "randn_like",
    "random_", "uniform_",
}  # fmt: skip
"""Random functions of a tensor: a replay takes their recorded result."""
_MAY_DRAW = {
    "fractional_max_pool2d", "fractional_max_pool3d", "gru", "gumbel_softmax", "lstm",
    "multi_head_attention_forward", "rnn_relu", "rnn_tanh", "rrelu",
    "scaled_dot_product_attention",
}  # fmt: skip
"""Differentiable functions that may draw random numbers inside (dropout)."""


@dataclass(frozen=True)
class Use:
    """One operation that reads a node. `edge` is where the contribution of that use arrives."""

    op: Op
    edge: Any


class Replay:
    """One run over recorded events. `dtype` None keeps the user's dtypes.

    `draws` is a cache that the replays of a pass share: whether an operation draws random numbers.
    """

    def __init__(
        self,
        trace: Trace,
        leaves: set[int],
        dtype: torch.dtype | None = torch.float64,
        grad: bool = False,
        always_grad: bool = False,
        move: Callable[[Tensor], Tensor] | None = None,
        start: int = 0,
        draws: dict[int, bool] | None = None,
    ) -> None:
        self.trace = trace
        self.leaves = leaves
        self.dtype = dtype
        self.grad = grad
        self.always_grad = always_grad
        self.move = move
        self.start = start
        self.draws = {} if draws is None else draws
        self.env: dict[int, Tensor] = {}
        self.edges: dict[int, Any] = {}
        self.uses: dict[int, list[Use]] = {}
        self.failures: dict[int, str] = {}
        """Why an operation could not be run again, by its index. Its result is a constant."""
        self._live = set(leaves)
        self._bases: dict[int, Tensor] = {}
        self._names: dict[int, list[int]] = {}

    def run(self, events: Iterable[Event]) -> None:
        """Run `events`, operations and names, in their order."""
        for event in events:
            if type(event) is Op:
                self.execute(event)
            elif type(event) is Bind:
                self.bind(event)

    def bind(self, bind: Bind) -> None:
        """Note that the value has a name from this event on."""
        if not self.is_live(bind.value):
            return
        value = self.get(bind.value, bind.index)
        if not self.grad or not value.requires_grad:
            return
        names = self._names.setdefault(id(bind.value), [])
        edge = get_gradient_edge(value)
        if names and self.edges[names[0]] != edge:
            names.clear()  # written in place since then: another value
        if names:  # a second name (hprev = h) shares the uses of the first
            self.uses[bind.index] = list(self.uses.get(names[0], ()))
        names.append(bind.index)
        self.edges[bind.index] = edge

    def is_live(self, value: Tensor) -> bool:
        """Tell whether `value` depends on the leaves in this run."""
        return key_of(value) in self._live

    def enliven(self, value: Tensor) -> None:
        """Treat `value` as changed: from now on, run what depends on it."""
        self._live.add(key_of(value))

    def get(self, value: Tensor, index: int) -> Tensor:
        """Return this run's counterpart of the user's `value` as of event `index`."""
        counterpart = self.env.get(id(value))
        if counterpart is None:
            counterpart = self.env[id(value)] = self._load(value, index)
        return counterpart

    def execute(self, op: Op) -> None:
        """Run one operation if it depends on the leaves or writes to memory that was loaded."""
        name = getattr(op.func, "__name__", "")
        if op.func == OWN_GRAD or name == "__set__" or name == "requires_grad_":
            return
        if name in _CONSTANT:
            return self._overwrite(op)
        live = any(key_of(t) in self._live for t in op.inputs)
        if not live and not any(key_of(t) in self._bases for t in op.writes):
            return
        try:
            result = self._call(op)
        except Exception as error:
            self.failures[op.index] = f"{type(error).__name__}: {error}"
            return self._overwrite(op)
        for recorded, value in zip(tensors_in(op.result), tensors_in(result), strict=False):
            self.env[id(recorded)] = self._cast(value)
        if live:
            self._live.update(key_of(t) for t in op.outputs)

    def _call(self, op: Op) -> Any:
        written = {id(t) for t in op.writes}
        args = self._map(op.args, op, written)
        kwargs = self._map(op.kwargs, op, written)
        func = op.func
        if self.grad and isinstance(kwargs.get("out"), Tensor):
            func = partial(_into, kwargs.pop("out"), func)
        if self.dtype is not None and func in _CASTS:
            func = Tensor.double
        if op.rng is not None and args and args[0].numel():
            return self._same_mask(op, args[0])
        if op.index not in self.draws:  # found in the first replay: under noise no two runs agree
            self.draws[op.index] = op.rng is not None or (
                getattr(func, "__name__", "") in _MAY_DRAW and _draws(func, args, kwargs)
            )
        if self.draws[op.index]:
            raise RuntimeError("it draws random numbers that cannot be drawn again")
        with torch.set_grad_enabled(self.grad and (op.grad_enabled or self.always_grad)):
            if self.grad and self._is_overwritten(op):
                with saved_tensors_hooks(torch.clone, lambda kept: kept):
                    return func(*args, **kwargs)
            return func(*args, **kwargs)

    def _is_overwritten(self, op: Op) -> bool:
        """Tell whether NumPy code writes to what the operation reads or returns.

        A torch program may not if its backward pass needs the old values; a NumPy program may.
        """
        written = self.trace.overwritten
        return bool(written) and any(key_of(t) in written for t in (*op.inputs, *op.outputs))

    def _same_mask(self, op: Op, value: Tensor) -> Any:
        """Apply the mask of the recorded call, drawn again from the same generator state."""
        source = op.inputs[0]
        ones = torch.ones_like(source, requires_grad=False)
        before = rng_state(source.device)
        assert op.rng is not None
        set_rng_state(source.device, op.rng)
        try:
            mask = op.func(*(ones, *op.args[1:]), **op.kwargs)
        finally:
            set_rng_state(source.device, before)
        return value * mask.to(value.dtype)

    def _overwrite(self, op: Op) -> None:
        """Write the recorded values where the operation wrote; its results load as constants."""
        for value in op.writes:
            if id(value) in self.env:
                recorded = self.trace.at(value, op.index + 1)
                with torch.no_grad():
                    self.env[id(value)].data.copy_(recorded)

    def _map(self, value: Any, op: Op, written: set[int]) -> Any:
        if isinstance(value, Tensor):
            return self._used(value, op, written)
        if isinstance(value, torch.dtype):
            return self.dtype if self.dtype is not None and value.is_floating_point else value
        if isinstance(value, tuple | list):
            mapped = [self._map(element, op, written) for element in value]
            return mapped if isinstance(value, list) else tuple(mapped)
        if isinstance(value, Mapping):
            return {key: self._map(element, op, written) for key, element in value.items()}
        return value

    def _used(self, value: Tensor, op: Op, written: set[int]) -> Tensor:
        counterpart = self.get(value, op.index)
        names = self._names.get(id(value))
        if not names or id(value) in written or not (op.grad_enabled or self.always_grad):
            return counterpart
        if not counterpart.requires_grad:
            return counterpart
        if get_gradient_edge(counterpart) != self.edges[names[0]]:
            return counterpart
        alias = counterpart.view_as(counterpart)  # its gradient is the contribution of this use
        for index in names:
            self.uses.setdefault(index, []).append(Use(op, get_gradient_edge(alias)))
        return alias

    def _cast(self, value: Tensor) -> Tensor:
        if self.dtype is None or not value.is_floating_point() or value.dtype == self.dtype:
            return value
        return value.to(self.dtype)

    def _load(self, value: Tensor, index: int) -> Tensor:
        """Return a constant or a leaf. Tensors that shared memory when recorded share it here."""
        key, index = key_of(value), max(index, self.start)
        leaf = key in self.leaves and value.is_floating_point()
        storage = self.trace.storage_at(value, index)
        small = value.element_size() * value.numel() * 4 < storage.nbytes()
        alone = small and not leaf and key not in self._written
        if alone or value.layout is not torch.strided:
            return self._constant(self.trace.at(value, index).detach().clone(), exact=not leaf)
        base = self._bases.get(key)
        if base is None or base.element_size() < value.element_size() or not _alike(base, value):
            flat = torch.empty(0, dtype=value.dtype, device=value.device)
            base = self._constant(flat.set_(storage).clone(), exact=not leaf)
            self._bases[key] = base
        view = base.as_strided(value.shape, value.stride(), value.storage_offset())
        return view.detach().requires_grad_() if leaf and self.grad else view

    @cached_property
    def _written(self) -> set[int]:
        """The storages that some operation writes to: parts of them must share memory."""
        ops = (event for event in self.trace.events if type(event) is Op)
        return {key_of(t) for op in ops for t in op.writes}

    def _constant(self, value: Tensor, exact: bool) -> Tensor:
        """Return a value, moved within rounding; where `exact`, whole numbers (labels) stay."""
        value = self._cast(value)
        if self.move is None or not value.is_floating_point():
            return value
        moved = self.move(value)
        return torch.where(value.frac() == 0, value, moved) if exact else moved


def _into(out: Tensor, func: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Write a function's result to `out`: torch itself differentiates no function with out=."""
    return out.copy_(func(*args, **kwargs))


def _draws(func: Any, args: Any, kwargs: Any) -> bool:
    """Tell whether two calls with different seeds give different results."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        results = []
        for seed in range(2):
            torch.manual_seed(seed)
            results.append(list(tensors_in(func(*args, **kwargs))))
    return not all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def _alike(base: Tensor, value: Tensor) -> bool:
    return base.is_floating_point() == value.is_floating_point()


def gradients(
    replay: Replay, outputs: Sequence[Tensor], seeds: Sequence[Tensor | None], index: int
) -> tuple[dict[int, Tensor], dict[int, list[tuple[Op, Tensor]]]]:
    """Return each node's gradient and the contribution of each use, by the index of the Bind.

    Raises RuntimeError where the outputs do not depend on the leaves.
    """
    replayed = [replay.get(t, index) for t in outputs]
    upstream = [None if s is None else replay.get(s, index).detach() for s in seeds]
    uses = [(i, use) for i, group in replay.uses.items() for use in group]
    edges = [*replay.edges.values(), *(use.edge for _, use in uses)]
    grads = torch.autograd.grad(replayed, edges, upstream, allow_unused=True)
    nodes = {i: g for i, g in zip(replay.edges, grads, strict=False) if g is not None}
    parts: dict[int, list[tuple[Op, Tensor]]] = {}
    for (i, use), part in zip(uses, grads[len(replay.edges) :], strict=True):
        if part is not None:
            parts.setdefault(i, []).append((use.op, part))
    return nodes, parts
