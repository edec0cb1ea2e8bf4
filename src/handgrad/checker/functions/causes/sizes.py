"""Sizes at which a function goes wrong: blocks, powers of two, one, none."""

from dataclasses import replace
from functools import partial
from math import gcd

import torch
from torch import Tensor

from handgrad.checker.functions.bench import doubles
from handgrad.checker.functions.causes.cause import cause
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.samples import Sample

SMALLEST = 8
"""Blocks are at least so large."""
WHOLE = (128, 1024)
"""Multiples of most blocks."""
ROUND = (2, 4, 16)
UNEVEN = (3, 6, 13)


@cause("HG153", "last block lost")
def last_block(e: Evidence) -> Finding | None:
    """What lies beyond the last whole block is not computed.

    What
        Right for sizes that are multiples of the block; of others the rest is lost.
    Why
        The number of blocks was rounded down, or a mask cuts off too much.
    Wrong
        grid = (n // BLOCK,)
    Right
        grid = ((n + BLOCK - 1) // BLOCK,)          # triton.cdiv(n, BLOCK), with a mask
    """
    if e.kind not in ("wrong", "unsteady") or e.quantity not in e.trial.found:
        return None
    samples = [e.sample, *(s for s in e.failing() if _plain(s, e))]
    for letter in e.sample.size_of:
        if not any(e.fails(_base(e).sized({letter: n})) is False for n in WHOLE):
            continue  # it is wrong for whole blocks too
        cuts: list[tuple[int, str, Sample]] = []
        for sample in sorted(dict.fromkeys(samples), key=lambda s: s.size_of[letter]):
            if sample.size_of[letter] <= SMALLEST or len(cuts) == 3:
                continue
            there = e.moved(sample)
            cut = _cut(there, sample.size_of[letter]) if there else None
            cuts += [(*cut, sample)] if cut else []
        block = _block([cut for cut, _, _ in cuts])
        whole = (_base(e).sized({letter: n * (block or 0)}) for n in (1, 3))
        if block and all(e.fails(s) is False for s in whole):
            first, where, sample = cuts[0]
            size = sample.size_of[letter]
            rest = f"{first}" if size - first == 1 else f"{first} to {size - 1}"
            return Finding(
                f"The last block of {letter} is lost: with {letter}={size}, {where.format(rest)}; "
                f"with {letter}={block} it is right. Blocks of {block}.",
                f"Round the number of blocks up, ({letter} + {block - 1}) // {block}, and mask the "
                f"rest.",
                sample,
            )
    return None


@cause("HG169", "only right for powers of two")
def powers_of_two(e: Evidence) -> Finding | None:
    """Right where a size is a power of two, wrong at all others.

    What
        A reduction or a mean goes over the padded size, or halves a size that is odd.
    Why
        Kernels pad to the next power of two, and trees halve: what is padded must not count.
    Wrong
        mean = tl.sum(x) / BLOCK
    Right
        mean = tl.sum(x) / n
    """
    if not e.values and e.kind != "raised":
        return None
    base = _base(e)
    for letter in e.sample.size_of:
        at = partial(_fails_at, e, base, letter)
        if not any(at(n) is not False for n in ROUND) and all(map(at, UNEVEN)):
            return Finding(
                f"Only right where {letter} is a power of two: right for "
                f"{', '.join(map(str, ROUND))}, not for {', '.join(map(str, UNEVEN))}.",
                f"Mask what is padded, and divide by {letter} itself.",
            )
    return None


@cause("HG170", "empty input")
def empty(e: Evidence) -> Finding | None:
    """The function crashes, or is wrong, where a size is 0.

    What
        A batch without rows, a sequence without tokens: the reference gives something, this fails.
    Why
        A grid of no blocks cannot be launched; nothing has no maximum, no shape by -1.
    Wrong
        kernel[(n // BLOCK,)](x, out, n)
    Right
        if x.numel() == 0: return torch.empty_like(x)
    """
    letters = [f"{letter}=0" for letter, size in e.sample.sizes if size == 0]
    if not letters:
        return None
    what = f"{e.phase} raises this" if e.kind == "raised" else "the result is wrong"
    return Finding(
        f"Without any elements ({', '.join(letters)}) {what}; the reference can do it.",
        "Return early where x.numel() == 0.",
    )


@cause("HG172", "wrong where a size is one")
def size_one(e: Evidence) -> Finding | None:
    """Wrong, or a crash, only where a size is 1.

    What
        One row, one column, one class.
    Why
        n - 1 is 0 there; .squeeze() takes the dimension away; it broadcasts as it did not before.
    Wrong
        dout.squeeze() * x
    Right
        dout.squeeze(-1) * x
    """
    base = e.explored.base.size_of
    ones = [k for k, size in e.sample.sizes if size == 1 and base[k] != 1]
    if not ones or any(size == 0 for _, size in e.sample.sizes):
        return None
    two = e.sample.sized(dict.fromkeys(ones, 2))
    if e.fails(two) is not False:
        return None
    names = ", ".join(f"{k}=1" for k in ones)
    what = f"{e.phase} raises this" if e.kind == "raised" else "it is wrong"
    return Finding(
        f"With {names} {what}; with {names.replace('=1', '=2')} it is right.",
        "Name the dimension in .squeeze(dim); look for n - 1, and for what broadcasts at size 1.",
    )


def _fails_at(e: Evidence, base: Sample, letter: str, size: int) -> bool | None:
    return e.fails(base.sized({letter: size}))


def _plain(sample: Sample, e: Evidence) -> bool:
    base = e.explored.base
    return replace(sample, sizes=base.sizes) == base


def _base(e: Evidence) -> Sample:
    return replace(e.sample, sizes=e.explored.base.sizes)


def _block(cuts: list[int]) -> int | None:
    """Return the largest block of a power of two that all the cuts are multiples of."""
    if not cuts:
        return None
    common = gcd(*cuts)
    block = common & -common
    return block if block >= SMALLEST else None


def _cut(e: Evidence, size: int) -> tuple[int, str] | None:
    """Return where the rest begins that is lost, and how to say so."""
    if not e.values and e.kind != "unsteady":
        return None
    mask = e.mask
    for dim, length in enumerate(mask.shape):
        if length != size:
            continue
        others = [d for d in range(mask.dim()) if d != dim]
        wrong = mask.sum(others) if others else mask.long()
        bad = wrong.nonzero().flatten()
        cut = int(bad.min()) if len(bad) else 0
        if cut and cut % SMALLEST == 0 and 2 * len(bad) > size - cut:
            return cut, "only {} is off"
    return _unsummed(e, size)


def _unsummed(e: Evidence, size: int) -> tuple[int, str] | None:
    """The same where the dimension was summed over: its last elements are missing in the sum."""
    block = 2 ** (size.bit_length() - 1)
    while block >= SMALLEST:
        cut = size // block * block
        if 0 < cut < size:
            if e.quantity.kind != "output" and e.explains(
                e.with_upstream(lambda u, cut=cut: _zeroed(u, size, cut))  # type: ignore[misc]
            ):
                return cut, "{} is missing in its sum"
            for i, value in enumerate(doubles(e.truth.values)):
                if not isinstance(value, Tensor) or not value.is_floating_point():
                    continue
                for fill in (0.0, -torch.inf):
                    changed = _zeroed(value, size, cut, fill)
                    if changed is not None and e.explains(e.with_value(i, changed)):
                        return cut, f"{{}} of {e.name(i)} is never read"
        block //= 2
    return None


def _zeroed(value: Tensor, size: int, cut: int, fill: float = 0.0) -> Tensor | None:
    """Return the value with its elements from `cut` on filled, along the dimension of that size."""
    dims = [d for d, n in enumerate(value.shape) if n == size]
    if not dims:
        return None
    changed = value.clone()
    changed.narrow(dims[0], cut, size - cut).fill_(fill)
    return changed
