"""Which memory holds what autograd computed, so that it does not pass for work by hand."""

from collections.abc import Iterable
from contextlib import suppress

from torch import Tensor


class Lineage:
    """The gradients of autograd's that a file got, and the memory that was computed from them."""

    def __init__(self) -> None:
        self.given: list[tuple[int, Tensor]] = []
        """The gradients as the file got them, from `.grad` or from torch.autograd.grad, each with
        the memory of its tensor."""
        self.hooked = False
        """Whether the file has gradients that no operation returns: of a hook, of torch.func."""
        self.left = False
        """Whether numbers of theirs went to Python or NumPy, where no operation can be seen."""
        self._sources: dict[int, frozenset[int]] = {}
        self._alive: dict[int, Tensor] = {}

    def of(self, value: Tensor) -> frozenset[int]:
        """Return the memory of the tensors whose gradients by autograd went into a value."""
        return self._sources.get(_key(value), frozenset())

    def got(self, nodes: object, gradients: object) -> None:
        """Note that the file got autograd's gradients of these tensors."""
        try:
            self._got(nodes, gradients)
        except NotImplementedError:  # tensors without storage: torch.func is at work
            self.hooked = True

    def _got(self, nodes: object, gradients: object) -> None:
        nodes = nodes if isinstance(nodes, tuple | list) else (nodes,)
        gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
        for node, gradient in zip(nodes, gradients, strict=False):
            if isinstance(node, Tensor) and isinstance(gradient, Tensor):
                self.given.append((_key(node), gradient))
                self._add(gradient, frozenset((_key(node),)))

    def ran(self, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
        """Note an operation: what it makes, or writes to, holds what went into it."""
        if self._sources:
            sources = frozenset[int]().union(*(self.of(value) for value in inputs))
            for value in outputs if sources else ():
                self._add(value, sources)

    def peeked(self, values: tuple[object, ...]) -> None:
        """Note that the numbers of a value go to Python or NumPy."""
        if self._sources and not self.left and isinstance(values[0], Tensor):
            with suppress(NotImplementedError):
                self.left = bool(self.of(values[0]))

    def keep(self, memory: set[int]) -> None:
        """Forget all but this memory."""
        self.given = [(key, value) for key, value in self.given if _key(value) in memory]
        self._sources = {k: s for k, s in self._sources.items() if k in memory}
        self._alive = {k: v for k, v in self._alive.items() if k in memory}

    def _add(self, value: Tensor, sources: frozenset[int]) -> None:
        key = _key(value)
        self._sources[key] = self._sources.get(key, frozenset()) | sources
        self._alive[key] = value


def _key(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)
