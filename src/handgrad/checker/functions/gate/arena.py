"""Memory that both processes see: the judge writes inputs there, the candidate reads them.

The judge compares it afterwards with what it wrote, so that a candidate cannot hide that it changed
an input. A call gets the lowest free place: the next call of the same sizes finds other numbers at
the same address, and a result that is kept by address is wrong.
"""

import math
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.gate.wire import KINDS

SIZE = 2**32
"""Bytes, of which only those that are used take memory."""
ALIGN = 64


class Arena:
    """The memory, in one process. Places are given by the process that made it."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = _file()
            os.ftruncate(descriptor, SIZE)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SIZE)
        self._taken: dict[int, int] = {}

    def close(self) -> None:
        """Close the descriptor. Tensors that still look at the memory keep it."""
        os.close(self.descriptor)

    def put(self, value: Tensor) -> dict[str, Any]:
        """Copy the whole storage of a tensor; return what `view` needs.

        Raises MemoryError if it does not fit.
        """
        storage = value.untyped_storage().cpu()  # type: ignore[no-untyped-call]
        size = storage.nbytes()
        place = self._place(size)
        if size:
            self._bytes(place, size).copy_(torch.tensor([], dtype=torch.uint8).set_(storage))
        return {
            "dtype": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
            "stride": list(value.stride()),
            "offset": value.storage_offset(),
            "at": place,
            "bytes": size,
        }

    def free(self, place: int) -> None:
        """Give a place back."""
        self._taken.pop(place, None)

    def view(self, description: Mapping[str, Any]) -> Tensor:
        """Return the tensor, in the shared memory, with a storage of its own size."""
        dtype = KINDS[description["dtype"]]
        empty = torch.empty(0, dtype=dtype)
        count = description["bytes"] // dtype.itemsize
        if not count:
            return torch.empty(description["shape"], dtype=dtype)
        flat = torch.frombuffer(self._memory, dtype=dtype, count=count, offset=description["at"])
        return empty.set_(
            flat.untyped_storage(),
            description["offset"],
            description["shape"],
            description["stride"],
        )

    def mirror(self, description: Mapping[str, Any], value: Tensor) -> bool:
        """Copy to `value` what the candidate wrote to its copy; return whether it wrote."""
        size = description["bytes"]
        if not size or math.prod(description["shape"]) == 0:
            return False
        storage = value.untyped_storage()
        ours = torch.tensor([], dtype=torch.uint8, device=value.device).set_(storage)
        theirs = self._bytes(description["at"], size).to(value.device)
        if torch.equal(ours, theirs):
            return False
        ours.copy_(theirs)
        return True

    def _bytes(self, place: int, size: int) -> Tensor:
        return torch.frombuffer(self._memory, dtype=torch.uint8, count=size, offset=place)

    def _place(self, size: int) -> int:
        """Return the lowest free place, and take it."""
        place, length = 0, -(-max(size, 1) // ALIGN) * ALIGN
        for start in sorted(self._taken):
            if start - place >= length:
                break
            place = start + self._taken[start]
        if place + length > SIZE:
            raise MemoryError(f"the inputs of the calls in flight exceed {SIZE >> 30} GiB")
        self._taken[place] = length
        return place


def _file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("handgrad")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
