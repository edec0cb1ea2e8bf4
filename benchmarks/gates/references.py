"""The references of the forty kernels by number, for the gate: `references:k07`."""

from typing import Any

from benchmarks.gates.kernels import kernels


def __getattr__(name: str) -> Any:
    if not name.startswith("k"):
        raise AttributeError(name)
    return kernels()[int(name[1:])].reference
