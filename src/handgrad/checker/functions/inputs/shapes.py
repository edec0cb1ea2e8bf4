"""Shapes in letters: 'B T C', 'B 4 C', 'B 2*H', and what the tensor holds.

'N < V'             whole numbers from 0 to V - 1
'N < V or -100'     the same, of which some are -100
'N C > 0'           positive numbers
'bool B T'          a mask: True and False
'complex B C'       complex numbers, drawn as pairs of real ones: B C 2
'= mean', '= 1e-5'  no tensor, but a constant
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from handgrad.checker.functions.inputs.values import drawn_like, whole_numbers
from handgrad.errors import CheckError

Sizes = Mapping[str, int]
GRAMMAR = (
    "letters and numbers such as 'B T C', 'B 2*H', 'N < V' (whole numbers), 'N < V or -100', "
    "'N C > 0', 'bool B T', 'complex N', '= 1e-5' (a constant)"
)
SPECIAL = 0.25
"""The part of whole numbers that have a special value."""
FEW = 3
"""Of so many whole numbers, at least one has a special value."""


class Dim(NamedTuple):
    """One dimension: `factor` times the size of the letter, or `factor` alone."""

    factor: int
    letter: str | None = None

    def size(self, sizes: Sizes) -> int:
        return self.factor * (sizes[self.letter] if self.letter else 1)


@dataclass(frozen=True)
class Spec:
    """One input: drawn like `example` or from the normal distribution, or always `constant`."""

    dims: tuple[Dim, ...] = ()
    example: Tensor | None = None
    below: Dim | None = None
    """The bound of whole numbers."""
    special: tuple[int, ...] = ()
    """Whole numbers with a meaning of their own, such as -100."""
    positive: bool = False
    mask: bool = False
    complex: bool = False
    """The last dimension is real and imaginary part."""
    constant: tuple[Any] | None = None
    """A value that is not a tensor, passed on unchanged."""

    @property
    def floating(self) -> bool:
        if self.example is not None:
            return self.example.is_floating_point()
        return self.constant is None and self.below is None and not self.mask

    def draw(self, sizes: Sizes, generator: torch.Generator) -> Any:
        """Return a value with these sizes; floating tensors are float64."""
        if self.constant is not None:
            return self.constant[0]
        shape = [dim.size(sizes) for dim in self.dims]
        limit = self.below.size(sizes) if self.below else None
        if self.example is not None:
            return drawn_like(self.example, shape, limit, generator)
        if self.mask:
            return torch.rand(shape, generator=generator) < 0.5
        if limit is not None:
            return self._whole(limit, shape, generator)
        value = torch.randn(shape, generator=generator, dtype=torch.float64)
        return value.abs() + 0.1 if self.positive else value

    def _whole(self, limit: int, shape: list[int], generator: torch.Generator) -> Tensor:
        if not self.special:
            return whole_numbers(limit, shape, generator)
        chosen = torch.randint(len(self.special), shape, generator=generator)
        special = torch.tensor(self.special)[chosen]
        if not limit:
            return special
        rare = torch.rand(shape, generator=generator) < SPECIAL
        if rare.numel() >= FEW and not bool(rare.any()):
            rare.view(-1)[-1] = True  # the smallest samples show what they are for
        return torch.where(rare, special, whole_numbers(limit, shape, generator))


class Letters:
    """Assigns one letter to each size of the examples."""

    def __init__(self, given: Mapping[str, str]) -> None:
        taken = set(re.findall(r"[A-Za-z_]\w*", " ".join(given.values())))
        self.free = iter(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in taken)
        self.of: dict[int, Dim] = {0: Dim(0), 1: Dim(1)}  # broadcast dimensions stay

    def dim(self, size: int) -> Dim:
        if size not in self.of:
            self.of[size] = Dim(1, next(self.free, f"n{size}"))
        return self.of[size]

    def learn(self, spec: Spec, value: Tensor) -> None:
        for dim, size in zip(spec.dims, value.shape, strict=True):
            if dim.letter and dim.factor == 1:
                self.of.setdefault(size, dim)


def parsed(name: str, text: str) -> Spec:
    """Return the spec of a shape in letters. Raises CheckError if `text` is not one."""
    if text.lstrip().startswith("="):
        return Spec(constant=(_literal(text.lstrip()[1:].strip()),))
    shape, sign, limit = (part.strip() for part in re.match(r"([^<>]*)([<>]?)(.*)", text).groups())  # type: ignore[union-attr]
    words = shape.split()
    mask, pairs = words[:1] == ["bool"], words[:1] == ["complex"]
    below, *special = re.split(r"\s+or\s+", limit)
    try:
        dims = tuple(_dim(word) for word in words[mask or pairs :]) + (Dim(2),) * pairs
        if (sign == ">" and limit != "0") or (special and sign != "<"):
            raise ValueError
        if (mask or pairs) and sign:
            raise ValueError
        return Spec(
            dims,
            below=_dim(below) if sign == "<" else None,
            special=tuple(map(int, special)),
            positive=sign == ">",
            mask=mask,
            complex=pairs,
        )
    except ValueError:
        raise CheckError(f"{name}: {text!r} is not a shape; write {GRAMMAR}") from None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a word


def _dim(word: str) -> Dim:
    matched = re.fullmatch(r"(?:(\d+)\*?)?([A-Za-z_]\w*)?", word)
    if not matched or not word or word in ("or", "bool", "complex"):
        raise ValueError(word)
    return Dim(int(matched[1] or 1), matched[2])


def word(dim: Dim) -> str:
    """Return a dimension as text: `2*H`."""
    return (f"{dim.factor}*" if dim.factor != 1 else "") + dim.letter if dim.letter else str(dim[0])
