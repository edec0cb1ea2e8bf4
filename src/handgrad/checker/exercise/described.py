"""A forward pass as an exercise needs it; the child that ran it sends this to the parent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ForwardTensor:
    """A tensor whose gradient is to be written.

    `readers` are the lines of the forward pass that read it, the last one first.
    """

    name: str
    shape: tuple[int, ...]
    readers: tuple[str, ...]


@dataclass(frozen=True)
class Forward:
    """The loss, where its statement is, and the tensors in the order of the backward pass."""

    loss: str
    cell: int | None
    line: int
    last_line: int
    tensors: tuple[ForwardTensor, ...]
    by_hand: tuple[str, ...]
    """The gradients that the file already computes by hand."""
    derived: tuple[str, ...] = ()
    """The lines of the whole backward pass, if the request asked for them."""
