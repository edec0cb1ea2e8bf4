"""What failing samples have in common, and where in a tensor the error is."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from handgrad.checker.functions.samples.sample import CheckSample

Predicate = Callable[[CheckSample], bool]

_FIXED: tuple[tuple[str, Predicate], ...] = (
    ("with inputs that are not contiguous",
     lambda s: s.layout not in ("contiguous", "offset")),
    ("with inputs that are not contiguous, or start inside their storage",
     lambda s: s.layout != "contiguous"),
    ("with inputs whose last dimension is not contiguous",
     lambda s: s.layout in ("transposed", "sliced", "channels_last")),
    ("with transposed or sliced inputs", lambda s: s.layout in ("transposed", "sliced")),
    ("with transposed inputs", lambda s: s.layout == "transposed"),
    ("with sliced inputs", lambda s: s.layout == "sliced"),
    ("with inputs that start inside their storage", lambda s: s.layout == "offset"),
    ("with expanded inputs", lambda s: s.layout == "expanded"),
    ("with parts of wider rows", lambda s: s.layout in ("split", "sliced")),
    ("with swapped dimensions", lambda s: s.layout in ("heads", "transposed", "channels_last")),
    ("in channels_last", lambda s: s.layout == "channels_last"),
    ("in the layout of the examples", lambda s: s.layout == "given"),
    ("whose upstream gradient is not ones", lambda s: s.upstream != "ones"),
    ("whose upstream gradient is not contiguous", lambda s: s.upstream != "random"),
    ("whose upstream gradient is expanded", lambda s: s.upstream in ("expanded", "ones")),
    ("whose upstream gradient is strided", lambda s: s.upstream == "strided"),
    ("whose upstream gradient varies", lambda s: s.upstream in ("random", "strided")),
    ("in bfloat16 and float16", lambda s: s.dtype in ("bfloat16", "float16")),
    ("in bfloat16", lambda s: s.dtype == "bfloat16"),
    ("in float16", lambda s: s.dtype == "float16"),
    ("in float32", lambda s: s.dtype == "float32"),
    ("in float64", lambda s: s.dtype == "float64"),
    ("in which one input alone requires a gradient", lambda s: s.grad is not None),
    ("in which one output alone has an upstream gradient", lambda s: s.output is not None),
    ("with a row of zeros", lambda s: s.zeros),
    ("with an empty input", lambda s: any(n == 0 for _, n in s.sizes)),
)  # fmt: skip


_SIZES: tuple[tuple[str, Callable[[int, int], bool]], ...] = (
    ("with {letter}={least}", lambda size, least: size == least),
    ("in which {letter} is not a multiple of 128", lambda size, least: size % 128 != 0),
    ("in which {letter} is not a multiple of 64", lambda size, least: size % 64 != 0),
    ("in which {letter} is not a multiple of 32", lambda size, least: size % 32 != 0),
    ("in which {letter} is not a multiple of 16", lambda size, least: size % 16 != 0),
    ("in which {letter} is not a multiple of 8", lambda size, least: size % 8 != 0),
    ("in which {letter} is not a power of two", lambda size, least: size & (size - 1) != 0),
    ("in which {letter} is odd", lambda size, least: size % 2 != 0),
    ("in which {letter} is {least} or more", lambda size, least: size >= least),
)
"""Circumstances of one size, given the least size that fails."""


def pattern(failing: Sequence[CheckSample], passing: Sequence[CheckSample]) -> str:
    """Return how many samples fail, and which, if one circumstance tells them apart."""
    total = len(failing) + len(passing)
    if not passing:
        return f"Fails in all {total} samples." if total > 1 else "Fails in the only sample."
    head = f"Fails in {len(failing)} of {total} samples"
    for text, holds in _FIXED:
        if all(map(holds, failing)) and not any(map(holds, passing)):
            return f"{head}: all those {text}."
    evidence = [s for s in passing if 0 not in s.size_of.values()]  # an empty input shows little
    if evidence and not any(0 in s.size_of.values() for s in failing):
        for text, holds in _by_size(failing):
            if all(map(holds, failing)) and not any(map(holds, evidence)):
                return f"{head}: all those {text}."
    return f"{head}."


def _by_size(failing: Sequence[CheckSample]) -> Iterator[tuple[str, Predicate]]:
    for letter in failing[0].size_of:
        least = min(sample.size_of[letter] for sample in failing)
        for text, holds in _SIZES:
            yield text.format(letter=letter, least=least), partial(_holds, holds, letter, least)


def _holds(holds: Callable[[int, int], bool], letter: str, least: int, sample: CheckSample) -> bool:
    return holds(sample.size_of[letter], least)


def place(mask: Tensor) -> str:
    """Return which elements are wrong: all, some indices of one dimension, or how many."""
    count, total = int(mask.sum()), mask.numel()
    if count == total:
        return "every element" if total > 1 else "its only element"
    for dim, length in enumerate(mask.shape if count else ()):
        others = [d for d in range(mask.dim()) if d != dim]
        wrong = mask.sum(others) > 0 if others else mask
        bad = wrong.nonzero().flatten().tolist()
        span = list(range(bad[0], bad[-1] + 1))
        if bad == span and len(bad) < length and 2 * count > len(bad) * (total // length):
            only = f"index {bad[0]}" if len(bad) == 1 else f"indices {bad[0]} to {bad[-1]}"
            return f"only {only} of dimension {dim}, {count} of {total} elements"
    return f"{count} of {total} elements"


def worst(hand: Tensor, right: Tensor) -> tuple[tuple[int, ...], float, float]:
    """Return the index where the two differ most, and both values there."""
    far = (hand.to(right) - right).abs().nan_to_num(nan=torch.inf)
    flat = int(far.flatten().argmax())
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), far.shape))
    return index, float(hand.flatten()[flat]), float(right.flatten()[flat])
