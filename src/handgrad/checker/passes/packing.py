"""A forward pass as plain data, from which another process can compute its gradients again.

Only functions of torch's own table of tensor functions are named, and only numbers, names and
tensors are passed to them: unpacking runs no code of a checked file.
"""

import base64
import operator
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks
from torch.overrides import get_overridable_functions, resolve_name

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.effects import OWN_GRAD
from handgrad.checker.record.trace import Bind, Op, key_of, tensors_in

MOST_BYTES = 32 * 2**20
CASTS = {"torch.Tensor.float", "torch.Tensor.half", "torch.Tensor.bfloat16"}
_UNSAFE = ("__reduce", "__setstate__", "__deepcopy__", "backward", "numpy", "storage", "hook")


class Unpackable(Exception):
    """The pass holds something that cannot be named: a function of the file, random numbers."""


@cache
def functions() -> Mapping[str, Any]:
    """Return torch's functions of tensors by their names."""
    every = [function for group in get_overridable_functions().values() for function in group]
    named = {resolve_name(function): function for function in every}
    return {n: f for n, f in named.items() if n and not any(part in n for part in _UNSAFE)}


@cache
def _names() -> Mapping[Any, str]:
    return {function: name for name, function in functions().items()}


class Packer:
    """Packs one pass: what is loaded, what is run, and where the nodes are, in order."""

    def __init__(self, forward: ForwardPass) -> None:
        self._forward = forward
        self._numbers: dict[int, int] = {}
        self._alive: list[Tensor] = []
        self._storages: dict[int, int] = {}
        self.storages: list[dict[str, Any]] = []
        self.steps: list[list[Any]] = []
        self._room = MOST_BYTES

    def packed(self, nodes: Mapping[int, Bind]) -> dict[str, Any]:
        """Return the pass, with these nodes by the index of their Bind."""
        forward, live = self._forward, set(self._forward.leaves)
        for event in forward.events:
            if type(event) is Op:
                self._add(event, live)
            elif type(event) is Bind and event.index in nodes:
                self.steps.append(["node", event.index, self._load(event.value, event.index)])
        seeds = [None if s is None else self.constant(s) for s in forward.seeds]
        outputs = [self._numbers[id(t)] for t in forward.outputs]
        return {"steps": self.steps, "storages": self.storages, "outputs": outputs, "seeds": seeds}

    def constant(self, value: Tensor) -> list[Any]:
        """Return a value: its numbers and its shape."""
        value = value.detach().contiguous()
        return [self._store(value.clone().untyped_storage(), value.dtype, False), list(value.shape)]

    def _add(self, op: Op, live: set[int]) -> None:
        is_live = any(key_of(t) in live for t in op.inputs)
        loaded = any(key_of(t) in self._storages for t in op.writes)
        name = getattr(op.func, "__name__", "")
        if op.func == OWN_GRAD or name in ("__set__", "requires_grad_") or not (is_live or loaded):
            return
        if op.rng is not None or op.func not in _names():
            raise Unpackable
        args, kwargs = self._argument(op.args, op), self._argument(dict(op.kwargs), op)
        results = [self._number(t) for t in tensors_in(op.result)]
        grads = op.grad_enabled or self._forward.backward is None
        self.steps.append(["run", _names()[op.func], args, kwargs, results, grads])
        if is_live:
            live.update(key_of(t) for t in op.outputs)

    def _argument(self, value: Any, op: Op) -> Any:
        if isinstance(value, Tensor):
            return {"tensor": self._load(value, op.index)}
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, float):
            return {"float": repr(float(value))}
        if isinstance(value, torch.dtype | torch.device):
            return {type(value).__name__: str(value).removeprefix("torch.")}
        if value is ...:
            return {"ellipsis": 0}
        if isinstance(value, slice):
            return {"slice": [self._argument(v, op) for v in (value.start, value.stop, value.step)]}
        if isinstance(value, tuple):
            return {"tuple": [self._argument(v, op) for v in value]}
        if isinstance(value, list | range):
            return [self._argument(v, op) for v in value]
        if isinstance(value, dict):
            return {"dict": {str(k): self._argument(v, op) for k, v in value.items()}}
        try:
            return operator.index(value)
        except TypeError:
            raise Unpackable from None

    def _number(self, value: Tensor) -> int:
        self._alive.append(value)
        return self._numbers.setdefault(id(value), len(self._numbers))

    def _load(self, value: Tensor, index: int) -> int:
        """Return the number of a tensor; what nothing has computed so far is loaded."""
        if id(value) in self._numbers:
            return self._numbers[id(value)]
        key, trace = key_of(value), self._forward.trace
        if key not in self._storages:
            is_leaf = key in self._forward.leaves and value.is_floating_point()
            storage = trace.storage_at(value, index)
            self._storages[key] = self._store(storage, value.dtype, is_leaf)
        place = [value.storage_offset(), list(value.shape), list(value.stride())]
        self.steps.append(["load", self._number(value), self._storages[key], *place])
        return self._numbers[id(value)]

    def _store(self, storage: torch.UntypedStorage, dtype: torch.dtype, is_leaf: bool) -> int:
        self._room -= storage.nbytes()
        if self._room < 0 or dtype.is_complex or storage.device.type != "cpu":
            raise Unpackable
        raw = torch.empty(0, dtype=torch.uint8).set_(storage)
        text = base64.b64encode(raw.numpy().tobytes()).decode()
        name = str(dtype).removeprefix("torch.")
        self.storages.append({"dtype": name, "data": text, "leaf": is_leaf})
        return len(self.storages) - 1


class Unpacked:
    """A pass that was packed, run again in float64. Raises whatever malformed data leads to."""

    def __init__(self, packed: Mapping[str, Any]) -> None:
        self._packed = packed
        self._raw = [_decoded(storage) for storage in packed["storages"]]

    def constant(self, place: Sequence[Any]) -> Tensor:
        """Return a value that is no part of the pass."""
        value: Tensor = self._raw[place[0]]
        return value.reshape(place[1])

    def gradients(self, move: Any = lambda leaf: leaf) -> dict[int, Tensor]:
        """Return the gradient of each node; `move` may change the leaves."""
        storages = [
            _moved(r, s, move) for r, s in zip(self._raw, self._packed["storages"], strict=True)
        ]
        env: dict[int, Tensor] = {}
        wanted: dict[int, Any] = {}
        views: dict[int, tuple[Any, ...]] = {}
        for kind, *step in self._packed["steps"]:
            if kind == "load":
                number, at, offset, shape, stride = step
                env[number] = storages[at].as_strided(shape, stride, offset)
                if storages[at].requires_grad:
                    views[number] = (storages[at], shape, stride, offset)
            elif kind == "node":
                index, number = step
                if number in views:
                    wanted[index] = views[number]
                elif env[number].requires_grad:
                    wanted[index] = get_gradient_edge(env[number])
            else:
                _run(env, *step)
        outputs = [env[number] for number in self._packed["outputs"]]
        seeds = [None if s is None else self.constant(s) for s in self._packed["seeds"]]
        targets = [w[0] if type(w) is tuple else w for w in wanted.values()]
        found = torch.autograd.grad(outputs, targets, seeds, allow_unused=True)
        known = zip(wanted.items(), found, strict=True)
        return {
            index: g.as_strided(*w[1:]) if type(w) is tuple else g
            for (index, w), g in known
            if g is not None
        }


def _run(
    env: dict[int, Tensor], name: str, args: Any, kwargs: Any, results: list[int], grads: bool
) -> None:
    function = Tensor.double if name in CASTS else functions()[name]
    # NumPy code may write to what an operation has read
    kept = saved_tensors_hooks(torch.clone, lambda value: value)
    with torch.set_grad_enabled(grads), kept:
        result = function(*_value(args, env), **_value(kwargs, env))
    for number, value in zip(results, tensors_in(result), strict=False):
        env[number] = value.double() if value.is_floating_point() else value


def _moved(raw: Tensor, storage: Mapping[str, Any], move: Any) -> Tensor:
    value: Tensor = raw.clone()
    if storage["leaf"]:
        value = move(value).requires_grad_()
    return value


def _decoded(storage: Mapping[str, Any]) -> Tensor:
    raw = bytearray(base64.b64decode(storage["data"], validate=True))
    dtype = _dtype(storage["dtype"])
    value = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
    return value.double() if dtype.is_floating_point else value


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype):
        raise TypeError
    return dtype


def _value(packed: Any, env: Mapping[int, Tensor]) -> Any:
    if isinstance(packed, list):
        return [_value(part, env) for part in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return env[content]
    if kind == "float":
        return float(content)
    if kind == "dtype":
        dtype = _dtype(content)
        return torch.float64 if dtype.is_floating_point else dtype
    if kind == "device":
        return torch.device("cpu")
    if kind == "ellipsis":
        return ...
    if kind == "dict":
        return {key: _value(part, env) for key, part in content.items()}
    parts = [_value(part, env) for part in content]
    return slice(*parts) if kind == "slice" else tuple(parts)
