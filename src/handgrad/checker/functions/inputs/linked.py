"""Sizes that are equal in the examples, but need not be: square examples hide K for V.

Equal sizes of the examples share a letter. Where the reference also runs with different sizes, the
places of the letter (dimensions of inputs, bounds of whole numbers) fall into classes, and a few
samples give each class a size of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import torch

from handgrad.checker.functions.inputs.shapes import Dim, Sizes, Spec, word

BOUND = -1
"""In place of a dimension: the bound of whole numbers."""
MOST = 6
"""A letter with more places stays one size: there would be too many ways to divide them."""
STEP = 2
"""The difference between the sizes of two classes."""


class Place(NamedTuple):
    """Where a size occurs: a dimension of an input, or the bound of its numbers."""

    input: int
    dimension: int


Class = tuple[Place, ...]


@dataclass(frozen=True)
class Linked:
    """The letters that examples gave to several places; `classes` are those that are divided."""

    specs: tuple[Spec, ...]
    names: tuple[str, ...]
    letters: tuple[str, ...]
    """Letters that may be divided: not those that the user gave."""
    classes: Mapping[str, Sequence[Class]]

    def draw(self, sizes: Sizes, seed: int, apart: int) -> tuple[Any, ...]:
        """Return the inputs with the sizes of one letter apart, as `apart` says."""
        generator = torch.Generator().manual_seed(seed)
        specs, given = list(self.specs), dict(sizes)
        letter, is_reversed = self._chosen(apart)
        classes = self.classes[letter]
        for number, places in enumerate(classes[::-1] if is_reversed else classes):
            name = f"{letter}.{number}"
            given[name] = sizes[letter] + STEP * number
            for place in places:
                specs[place.input] = _renamed(specs[place.input], place.dimension, name)
        return tuple(spec.draw(given, generator) for spec in specs)

    def numbers(self) -> range:
        """Return the values of `apart`: two for each letter, first smallest and last smallest."""
        return range(1, 1 + 2 * len(self.classes))

    def _chosen(self, apart: int) -> tuple[str, bool]:
        number, is_reversed = divmod(apart - 1, 2)
        return list(self.classes)[number], bool(is_reversed)

    def divided(self, accepts: Callable[[tuple[Any, ...]], bool], start: Sizes) -> "Linked":
        """Return the same with the classes whose sizes the reference accepts separately."""
        known: dict[str, Sequence[Class]] = {}
        for letter in self.letters:
            places = tuple(_places(self.specs, letter))
            if 1 < len(places) <= MOST:

                def runs(*classes: Class, letter: str = letter) -> bool:
                    one = replace(self, classes={letter: classes})
                    return all(accepts(one.draw(start, 0, apart)) for apart in (1, 2))

                classes = _classes(places, runs)
                if len(classes) > 1:
                    known[letter] = classes
        return replace(self, classes=known)

    def texts(self, apart: int) -> list[str]:
        """Return the first place of each class: `dimension 1 of x`."""
        return [self._text(places[0]) for places in self.classes[self._chosen(apart)[0]]]

    def dims(self) -> str:
        """Return the shapes of the examples in letters, as `dims` takes them."""
        shapes = [" ".join(map(word, s.dims)) for s in self.specs if s.example is not None]
        return "dims=(" + ", ".join(f'"{s}"' for s in shapes) + "," * (len(shapes) == 1) + ")"

    def _text(self, place: Place) -> str:
        name = self.names[place.input]
        if place.dimension == BOUND:
            return f"the bound of {name}"
        return f"dimension {place.dimension} of {name}"


def _places(specs: Sequence[Spec], letter: str) -> Iterator[Place]:
    for i, spec in enumerate(specs):
        for d, dim in enumerate(spec.dims):
            if dim == Dim(1, letter):
                yield Place(i, d)
        if spec.below == Dim(1, letter):
            yield Place(i, BOUND)


def _renamed(spec: Spec, dimension: int, letter: str) -> Spec:
    if dimension == BOUND:
        return replace(spec, below=Dim(1, letter))
    dims = list(spec.dims)
    dims[dimension] = Dim(1, letter)
    return replace(spec, dims=tuple(dims))


def _classes(places: Class, runs: Callable[..., bool]) -> list[Class]:
    """Divide the places into the smallest classes whose sizes may differ."""
    first, *others = places
    for count in range(len(others)):
        for chosen in combinations(others, count):
            one = (first, *chosen)
            rest = tuple(p for p in others if p not in chosen)
            if runs(one, rest):
                return [one, *_classes(rest, lambda *parts, one=one: runs(one, *parts))]
    return [places]
