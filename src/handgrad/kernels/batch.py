"""Batches on given memory. Specification: data/dataset.py, `contexts`."""

from typing import Any

from handgrad.kernels.jit import kernel
from handgrad.kernels.team import rows_of


@kernel
def gather(
    tokens: Any,
    positions: Any,
    padding: int,
    inputs: Any,
    targets: Any,
    thread: int,
    team: Any,
) -> None:
    """Write inputs (B, T) and targets (B,) of the examples at `positions` (B,) in `tokens`.

    `padding` is the symbol of everything before the word's boundary.
    """
    length = inputs.shape[1]
    begin, end = rows_of(inputs, thread, team)
    for b in range(begin, end):
        position = positions[b]
        targets[b] = tokens[position]
        t = length - 1
        while t >= 0:
            position -= 1
            token = tokens[position]
            inputs[b, t] = token
            t -= 1
            if token == 0:
                break
        while t >= 0:
            inputs[b, t] = padding
            t -= 1


@kernel
def gather_words(
    tokens: Any, starts: Any, inputs: Any, targets: Any, offsets: Any, thread: int, team: Any
) -> None:
    """Write the words whose boundaries are at `starts` (B,) to inputs and targets (N,), end to end.

    `offsets` (B + 1,) receives where they begin; the last one is N. Of a long word, the first
    len(inputs) / B characters are read.
    """
    if thread:
        return
    most = len(inputs) // len(starts)
    at = 0
    for b in range(len(starts)):
        offsets[b] = at
        position, end = starts[b], at + most
        token = tokens[position]
        while at < end:
            inputs[at] = token
            position += 1
            token = tokens[position]
            targets[at] = token
            at += 1
            if token == 0:
                break
    offsets[len(starts)] = at


@kernel
def take(
    inputs: Any, targets: Any, first: int, count: int, inputs_part: Any, targets_part: Any
) -> None:
    """Copy rows first .. first + count - 1 of a batch to the parts; further rows stay unchanged."""
    for b in range(count):
        targets_part[b] = targets[first + b]
        for t in range(inputs.shape[1]):
            inputs_part[b, t] = inputs[first + b, t]


@kernel
def put(part: Any, count: int, whole: Any, first: int) -> None:
    """Copy the first `count` rows of `part` to `whole`, from row `first` on."""
    for b in range(count):
        for v in range(part.shape[1]):
            whole[first + b, v] = part[b, v]
