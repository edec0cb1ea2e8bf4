"""A forward pass as an exercise needs it, between the child that ran it and the parent."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """A tensor whose gradient is to be written. `undone` are the lines that read it, last first."""

    name: str
    shape: tuple[int, ...]
    undone: tuple[str, ...]


@dataclass(frozen=True)
class Forward:
    """The loss, where its statement stands, and its nodes in the order of the backward pass."""

    loss: str
    cell: int | None
    line: int
    last_line: int
    nodes: tuple[Node, ...]
    by_hand: tuple[str, ...]
    """The gradients that the file writes by hand already."""

    def pack(self) -> dict[str, Any]:
        """This as plain dicts and lists, for JSON."""
        return asdict(self)

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "Forward":
        """What `pack` was called on."""
        nodes = (Node(n["name"], tuple(n["shape"]), tuple(n["undone"])) for n in packed["nodes"])
        return cls(**{**packed, "nodes": tuple(nodes), "by_hand": tuple(packed["by_hand"])})
