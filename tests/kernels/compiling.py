"""Kernels for calls from Python, each compiled once for all tests."""

from collections.abc import Callable
from functools import cache
from typing import Any

from handgrad.kernels.jit import called


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls the kernel."""
    return called(lambda *arguments: function(*arguments))
