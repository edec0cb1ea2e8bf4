"""What the judge and the candidate's process say to each other: lines of JSON, and bytes.

Nothing is unpickled: what the candidate's process sends are numbers, and nothing in it can run.
"""

import ast
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Message = dict[str, Any]
KINDS = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex128,
        torch.complex64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip
MOST = 2**32
"""Bytes of one message, at most."""


class Closed(Exception):
    """The other end has closed the pipe."""


def packed(value: Any, tensors: list[Tensor]) -> Any:
    """Return a value as JSON, and append its tensors to `tensors`.

    Raises TypeError for a value that cannot be passed to another process.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return ["tensor", len(tensors) - 1]
    if isinstance(value, Mapping):
        return ["dict", [[key, packed(v, tensors)] for key, v in value.items()]]
    if isinstance(value, tuple | list):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, [packed(v, tensors) for v in value]]
    if isinstance(value, torch.dtype):
        return ["dtype", str(value).removeprefix("torch.")]
    text = repr(value)
    try:
        same = ast.literal_eval(text) == value
    except (ValueError, SyntaxError):
        same = isinstance(value, float) and text in ("inf", "-inf", "nan")
    if not same:
        raise TypeError(
            f"{type(value).__name__} cannot be passed to the process of the candidate: pass "
            f"tensors, numbers, strings, and lists, tuples and dicts of them"
        )
    return ["value", text]


def unpacked(tree: Any, tensors: Sequence[Any]) -> Any:
    """Return the value that `packed` has packed."""
    kind, content = tree
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unpacked(v, tensors) for key, v in content}
    if kind in ("list", "tuple"):
        values = [unpacked(v, tensors) for v in content]
        return values if kind == "list" else tuple(values)
    if kind == "dtype":
        return KINDS[content]
    return float(content) if content in ("inf", "-inf", "nan") else ast.literal_eval(content)


def raw(value: Tensor) -> bytes:
    """Return the elements of a tensor in row-major order."""
    plain = value.detach().cpu().resolve_conj().resolve_neg().flatten()
    if plain.stride() != (1,):  # a single element may be "contiguous" with any stride
        plain = torch.empty_like(plain, memory_format=torch.contiguous_format).copy_(plain)
    return plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""


def described(value: Tensor) -> dict[str, Any]:
    """Return dtype and shape. Raises TypeError for a tensor that is not dense."""
    name = str(value.dtype).removeprefix("torch.")
    if value.layout is not torch.strided or name not in KINDS:
        raise TypeError(f"a result is {value.layout} {name}; only dense tensors can be judged")
    return {"dtype": name, "shape": list(value.shape)}


def restored(description: Mapping[str, Any], content: bytearray) -> Tensor:
    """Return the tensor of a description and its bytes."""
    dtype, shape = KINDS[description["dtype"]], [int(n) for n in description["shape"]]
    if not math.prod(shape):
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)


def nbytes(description: Mapping[str, Any]) -> int:
    """Return the number of bytes of a described tensor. Raises ValueError if it is absurd."""
    shape = [int(n) for n in description["shape"]]
    size = math.prod(shape) * KINDS[description["dtype"]].itemsize
    if min(shape, default=0) < 0 or size > MOST:
        raise ValueError(f"a result of shape {tuple(shape)} is too large")
    return size


def send(descriptor: int, message: Message, payload: Sequence[bytes] = ()) -> None:
    """Write one line of JSON, then bytes. Raises OSError if nobody listens."""
    for part in (json.dumps(message).encode() + b"\n", *payload):
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]


class Lines:
    """Reads messages: `fill(n)` returns up to n more bytes, b"" at the end."""

    def __init__(self, fill: Callable[[int], bytes]) -> None:
        self._fill = fill
        self._kept = bytearray()

    def line(self) -> Message:
        """Return the next message. Raises Closed at the end, ValueError if it is not JSON."""
        while (end := self._kept.find(b"\n")) < 0:
            if len(self._kept) > 2**24:
                raise ValueError("a line without an end")
            self._more(2**16)
        text = bytes(self._kept[:end])
        del self._kept[: end + 1]
        message = json.loads(text)
        if not isinstance(message, dict):
            raise ValueError("not a message")
        return message

    def bytes(self, count: int) -> bytearray:
        """Return the next `count` bytes."""
        while len(self._kept) < count:
            self._more(max(2**16, count - len(self._kept)))
        content = self._kept[:count]
        del self._kept[:count]
        return content

    def _more(self, count: int) -> None:
        piece = self._fill(count)
        if not piece:
            raise Closed
        self._kept += piece
