"""One set of circumstances in which a function is checked, and its text form.

    B=3 C=65 float32 transposed(x) upstream=expanded grad=x

The text is complete: sizes, dtype, memory layout of the inputs, kind of upstream gradient, and the
only input that requires a gradient. Random numbers are drawn from a seed made of the sizes.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from handgrad.errors import CheckError

DTYPES = ("float64", "float32", "bfloat16", "float16")
HALF = ("bfloat16", "float16")
LAYOUTS = (
    "contiguous", "transposed", "sliced", "offset", "expanded", "split", "heads", "channels_last",
    "given",
)  # fmt: skip
"""`given` is that of the examples, if it is another one than contiguous."""
DEEP = ("heads", "channels_last")
"""Layouts of three dimensions or more."""
UPSTREAMS = ("random", "strided", "expanded", "ones")


@dataclass(frozen=True)
class CheckSample:
    """One sample. The defaults are the simplest circumstances."""

    sizes: tuple[tuple[str, int], ...]
    dtype: str = "float64"
    layout: str = "contiguous"
    on: str | None = None
    """The only input with this layout; None: all inputs have it."""
    upstream: str = "random"
    grad: str | None = None
    """The only input that requires a gradient; None: all do."""
    output: int | None = None
    """The only output with an upstream gradient; None: all have one."""
    zeros: bool = False
    """The first row of every floating input is 0."""
    ties: bool = False
    """Floating inputs are rounded to halves, so that elements are equal or 0."""
    draw: int = 0
    """Selects other random numbers."""
    apart: int = 0
    """Other than 0: sizes differ that are equal in the examples alone (`Linked.numbers`)."""

    def __str__(self) -> str:
        parts = [f"{letter}={size}" for letter, size in self.sizes]
        parts.append(self.dtype)
        if self.layout != "contiguous":
            parts.append(self.layout + (f"({self.on})" if self.on else ""))
        parts.append(f"upstream={self.upstream}")
        parts += [f"grad={self.grad}"] if self.grad is not None else []
        parts += [f"output={self.output}"] if self.output is not None else []
        parts += ["zeros"] if self.zeros else []
        parts += ["ties"] if self.ties else []
        parts += [f"draw={self.draw}"] if self.draw else []
        parts += [f"apart={self.apart}"] if self.apart else []
        return " ".join(parts)

    @property
    def size_of(self) -> dict[str, int]:
        """The size of each letter."""
        return dict(self.sizes)

    def sized(self, sizes: Mapping[str, int]) -> "CheckSample":
        """Return the sample with other sizes for some letters."""
        return replace(self, sizes=tuple((k, sizes.get(k, n)) for k, n in self.sizes))

    def seed(self, salt: str) -> int:
        """Return a seed made of sizes and draw: other circumstances keep the random numbers."""
        text = f"{salt} {self.sizes} {self.draw}"
        return zlib.crc32(text.encode())


def parse(text: str, letters: Sequence[str], names: Sequence[str]) -> CheckSample:
    """Return the sample that `text` stands for. Circumstances it omits have their defaults.

    `letters` and `names` are those of the check's inputs. Raises CheckError if `text` is not a
    sample of this check.
    """
    sizes: dict[str, int] = {}
    sample = CheckSample(())
    for word in text.split():
        key, _, value = word.partition("=")
        name, _, on = word.partition("(")
        if key in letters and value.isdecimal():
            sizes[key] = int(value)
        elif word in DTYPES:
            sample = replace(sample, dtype=word)
        elif name in LAYOUTS and (not on or on.removesuffix(")") in names):
            sample = replace(sample, layout=name, on=on.removesuffix(")") or None)
        elif key in _READERS and _READERS[key][0](value, names):
            sample = _READERS[key][1](sample, value)
        else:
            raise CheckError(f"sample {text!r}: cannot read {word!r}; {_EXPECTED}")
    missing = [letter for letter in letters if letter not in sizes]
    if missing:
        raise CheckError(f"sample {text!r}: no size for {', '.join(missing)}; {_EXPECTED}")
    return replace(sample, sizes=tuple((letter, sizes[letter]) for letter in letters))


_EXPECTED = "copy it from a failure, for example 'B=3 C=65 float32 upstream=random'"
_READERS: dict[
    str, tuple[Callable[[str, Sequence[str]], bool], Callable[[CheckSample, str], CheckSample]]
] = {
    "upstream": (lambda value, _: value in UPSTREAMS, lambda s, value: replace(s, upstream=value)),
    "grad": (lambda value, names: value in names, lambda s, value: replace(s, grad=value)),
    "output": (lambda value, _: value.isdecimal(), lambda s, value: replace(s, output=int(value))),
    "draw": (lambda value, _: value.isdecimal(), lambda s, value: replace(s, draw=int(value))),
    "apart": (lambda value, _: value.isdecimal(), lambda s, value: replace(s, apart=int(value))),
    "zeros": (lambda value, _: not value, lambda s, _: replace(s, zeros=True)),
    "ties": (lambda value, _: not value, lambda s, _: replace(s, ties=True)),
}
"""By the word before `=`: whether the value is valid, and the sample with it set."""
