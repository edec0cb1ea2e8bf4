"""One set of circumstances under which a function is checked, and the text that stands for it.

    B=3 C=65 float32 transposed(x) upstream=expanded grad=x

The text says everything: sizes, dtype, how the inputs lie in memory, the kind of upstream gradient,
what alone requires a gradient. Random numbers are drawn from a seed made of it.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from handgrad.errors import CheckError

DTYPES = ("float64", "float32", "bfloat16", "float16")
LAYOUTS = ("contiguous", "transposed", "sliced", "offset", "expanded")
UPSTREAMS = ("random", "strided", "expanded", "ones")


@dataclass(frozen=True)
class Sample:
    """One sample. The defaults are the plain case."""

    sizes: tuple[tuple[str, int], ...]
    dtype: str = "float64"
    layout: str = "contiguous"
    on: str | None = None
    """The only input that has the layout; None: all have it."""
    upstream: str = "random"
    grad: str | None = None
    """The only input that requires a gradient; None: all do."""
    output: int | None = None
    """The only output that a gradient comes to; None: all."""
    zeros: bool = False
    """The first row of every floating input is 0."""
    draw: int = 0

    def __str__(self) -> str:
        parts = [f"{letter}={size}" for letter, size in self.sizes]
        parts.append(self.dtype)
        if self.layout != "contiguous":
            parts.append(self.layout + (f"({self.on})" if self.on else ""))
        parts.append(f"upstream={self.upstream}")
        parts += [f"grad={self.grad}"] if self.grad is not None else []
        parts += [f"output={self.output}"] if self.output is not None else []
        parts += ["zeros"] if self.zeros else []
        parts += [f"draw={self.draw}"] if self.draw else []
        return " ".join(parts)

    @property
    def size_of(self) -> dict[str, int]:
        """Each letter's size."""
        return dict(self.sizes)

    def sized(self, sizes: Mapping[str, int]) -> "Sample":
        """Return it with some letters at other sizes."""
        return replace(self, sizes=tuple((k, sizes.get(k, n)) for k, n in self.sizes))

    def seed(self, salt: str) -> int:
        """Return a seed of the sizes and the draw: the other circumstances keep the numbers."""
        text = f"{salt} {self.sizes} {self.draw}"
        return zlib.crc32(text.encode())


def parse(text: str, letters: Iterable[str], names: Iterable[str]) -> Sample:
    """Return the sample that `text` stands for; what it leaves out is plain.

    Raises CheckError where it is no sample of a check whose letters and inputs these are.
    """
    letters, names = list(letters), list(names)
    sizes: dict[str, int] = {}
    sample = Sample(())
    for word in text.split():
        key, _, value = word.partition("=")
        name, _, on = word.partition("(")
        if key in letters and value.isdecimal():
            sizes[key] = int(value)
        elif word in DTYPES:
            sample = replace(sample, dtype=word)
        elif name in LAYOUTS and (not on or on.removesuffix(")") in names):
            sample = replace(sample, layout=name, on=on.removesuffix(")") or None)
        elif key in _READ and _READ[key][0](value, names):
            sample = _READ[key][1](sample, value)
        else:
            raise CheckError(f"sample {text!r}: {word!r} says nothing here; {_EXPECTED}")
    missing = [letter for letter in letters if letter not in sizes]
    if missing:
        raise CheckError(f"sample {text!r}: no size for {', '.join(missing)}; {_EXPECTED}")
    return replace(sample, sizes=tuple((letter, sizes[letter]) for letter in letters))


_EXPECTED = "give it as a failure shows it, such as 'B=3 C=65 float32 upstream=random'"
_READ: dict[str, tuple[Callable[[str, list[str]], bool], Callable[[Sample, str], Sample]]] = {
    "upstream": (lambda value, _: value in UPSTREAMS, lambda s, value: replace(s, upstream=value)),
    "grad": (lambda value, names: value in names, lambda s, value: replace(s, grad=value)),
    "output": (lambda value, _: value.isdecimal(), lambda s, value: replace(s, output=int(value))),
    "draw": (lambda value, _: value.isdecimal(), lambda s, value: replace(s, draw=int(value))),
    "zeros": (lambda value, _: not value, lambda s, _: replace(s, zeros=True)),
}
"""By the word before `=`: whether the value can be, and what it sets."""
