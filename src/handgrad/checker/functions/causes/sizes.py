"""Sizes at which a function is wrong: incomplete blocks, no power of two, one, zero."""

from dataclasses import replace
from math import gcd

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.text import listed

SMALLEST = 8
"""The smallest block size."""
WHOLE = (128, 1024)
"""Multiples of most blocks."""
DRAWS = 4
"""Draws of the numbers for which a size must decide."""
ROUND = (2, 4, 16)
UNEVEN = (3, 6, 13)


@cause("HG153", "last block lost", turn=Turn.INCOMPLETE)
def last_block(e: FunctionEvidence) -> FunctionFinding | None:
    """Elements beyond the last complete block are not computed.

    What
        The result is right for multiples of the block size. For other sizes the remainder is lost.
    Why
        The number of blocks was rounded down, or a mask is too short.
    Wrong
        grid = (n // BLOCK,)
    Right
        grid = ((n + BLOCK - 1) // BLOCK,)          # triton.cdiv(n, BLOCK), with a mask
    """
    if e.kind not in ("wrong", "unsteady") or e.quantity not in e.trial.results:
        return None
    for letter in e.sample.size_of:
        cuts = _cuts(e, letter)
        block = _block(e, letter, [cut for cut, _, _ in cuts])
        if block:
            return _lost(letter, block, *cuts[0])
    return None


@cause("HG169", "only right for powers of two", turn=Turn.CONDITION)
def powers_of_two(e: FunctionEvidence) -> FunctionFinding | None:
    """The result is right if a size is a power of two, and wrong for all other sizes.

    What
        A reduction or a mean includes the padding, or halves an odd size.
    Why
        Kernels pad to the next power of two, and tree reductions halve. Padding must not count.
    Wrong
        mean = tl.sum(x) / BLOCK
    Right
        mean = tl.sum(x) / n
    """
    if not e.comparable and e.kind != "raised":
        return None
    for letter in e.sample.size_of:
        sized = {n: _base(e).sized({letter: n}) for n in (*ROUND, *UNEVEN)}
        draws = range(e.sample.draw, e.sample.draw + DRAWS)
        right = all(e.fails(replace(sized[n], draw=draw)) is False for n in ROUND for draw in draws)
        if right and all(e.fails(sized[n]) for n in UNEVEN):
            return FunctionFinding(
                f"Only right if {letter} is a power of two: right for {listed(ROUND)}, wrong for "
                f"{listed(UNEVEN)}.",
                f"Mask the padding, and divide by {letter} itself.",
            )
    return None


@cause("HG170", "empty input", turn=Turn.INCOMPLETE)
def empty(e: FunctionEvidence) -> FunctionFinding | None:
    """The function crashes, or is wrong, if a size is 0.

    What
        A batch without rows or a sequence without tokens: the reference returns a result, the
        function fails.
    Why
        A grid of zero blocks cannot be launched. An empty tensor has no maximum, and no shape with
        -1.
    Wrong
        kernel[(n // BLOCK,)](x, out, n)
    Right
        if x.numel() == 0: return torch.empty_like(x)
    """
    letters = [f"{letter}=0" for letter, size in e.sample.sizes if size == 0]
    if not letters:
        return None
    return FunctionFinding(
        f"For an empty input ({', '.join(letters)}) {e.failure}; the reference returns a result.",
        "Return early if x.numel() == 0.",
    )


@cause("HG172", "wrong if a size is one", turn=Turn.CONDITION)
def size_one(e: FunctionEvidence) -> FunctionFinding | None:
    """The function is wrong, or crashes, only if a size is 1.

    What
        One row, one column, one class.
    Why
        n - 1 is 0; .squeeze() removes the dimension; a dimension of size 1 broadcasts.
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
    if any(e.fails(replace(two, draw=two.draw + i)) is not False for i in range(DRAWS)):
        return None
    if any(e.fails(replace(e.sample, draw=e.sample.draw + i)) is False for i in range(DRAWS)):
        return None  # the numbers decide, not the size
    if any(e.fails(two.sized({k: n})) for k in base if k not in ones for n in (3, 6)):
        return None  # another size decides
    names = ", ".join(f"{k}=1" for k in ones)
    return FunctionFinding(
        f"At {names} {e.failure}; at {names.replace('=1', '=2')} it is right.",
        "Name the dimension in .squeeze(dim); look for n - 1, and for operands that broadcast at "
        "size 1.",
    )


def _base(e: FunctionEvidence) -> CheckSample:
    return e.sample.sized(e.explored.base.size_of)


def _cuts(e: FunctionEvidence, letter: str) -> list[tuple[int, str, CheckSample]]:
    """Return where up to three failing samples lose their remainder: index, effect, sample.

    Empty if complete blocks fail too.
    """
    base = e.explored.base
    samples = [e.sample, *(s for s in e.failing() if s.sized(base.size_of) == base)]
    larger = [s for s in dict.fromkeys(samples) if s.size_of[letter] > SMALLEST]
    if not larger or not any(e.fails(_base(e).sized({letter: n})) is False for n in WHOLE):
        return []
    cuts: list[tuple[int, str, CheckSample]] = []
    for sample in sorted(larger, key=lambda s: s.size_of[letter]):
        there = e.at(sample) if len(cuts) < 3 else None
        cut = _cut(there, sample.size_of[letter]) if there else None
        cuts += [(*cut, sample)] if cut else []
    return cuts


def _lost(letter: str, block: int, first: int, effect: str, sample: CheckSample) -> FunctionFinding:
    size = sample.size_of[letter]
    one = size - first == 1
    rest = f"index {first}" if one else f"indices {first} to {size - 1}"
    return FunctionFinding(
        f"The last block of {letter} is lost: at {letter}={size}, "
        f"{effect.format(rest, 'is' if one else 'are')}; at {letter}={block} the result is right. "
        f"The block size is {block}.",
        f"Round the number of blocks up, ({letter} + {block - 1}) // {block}, and mask the "
        f"remainder.",
        sample,
    )


def _block(e: FunctionEvidence, letter: str, cuts: list[int]) -> int | None:
    """Return the smallest power of two that divides the cuts, if 1 and 3 such blocks are right."""
    common, right = gcd(*cuts), None
    block = common & -common  # the largest power of two
    while block >= SMALLEST:
        complete = (_base(e).sized({letter: n * block}) for n in (1, 3))
        if any(e.fails(sample) is not False for sample in complete):
            break
        right, block = block, block // 2
    return right


def _cut(e: FunctionEvidence, size: int) -> tuple[int, str] | None:
    """Return the index where the lost remainder begins, and a text that names its effect."""
    if not e.comparable and e.kind != "unsteady":
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
            return cut, "only {} {} wrong"
    return _unsummed(e, size)


def _unsummed(e: FunctionEvidence, size: int) -> tuple[int, str] | None:
    """Return the same if the dimension was summed over: the sum lacks its last elements."""
    block = 2 ** (size.bit_length() - 1)
    while block >= SMALLEST:
        cut = size // block * block
        if 0 < cut < size:
            if e.quantity.kind != "output" and e.explains(
                e.with_upstream(lambda u, cut=cut: _zeroed(u, size, cut))  # type: ignore[misc]
            ):
                return cut, "{} {} missing in its sum"
            for i, value in e.floating_inputs():
                for fill in (0.0, -torch.inf):
                    changed = _zeroed(value, size, cut, fill)
                    if changed is not None and e.explains(e.with_value(i, changed)):
                        return cut, f"{{}} of {e.name(i)} {{}} never read"
        block //= 2
    return None


def _zeroed(value: Tensor, size: int, cut: int, fill: float = 0.0) -> Tensor | None:
    """Return the value with elements from `cut` on filled, along the dimension of that size."""
    dims = [d for d, n in enumerate(value.shape) if n == size]
    if not dims:
        return None
    changed = value.clone()
    changed.narrow(dims[0], cut, size - cut).fill_(fill)
    return changed
