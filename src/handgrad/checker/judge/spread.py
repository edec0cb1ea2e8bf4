"""Where a gradient is off: a picture small enough to stand beside a line, and its caption.

The element that is furthest off does not distinguish a forgotten column from a wrong formula. Which
elements are wrong at all does.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.compare import FORMULA_LIMIT, LIMITS
from handgrad.checker.records import Spread
from handgrad.text import listed

CELLS = 24
"""The largest number of cells per side that is readable at the height of five lines of text."""
LEVELS = 5
LISTED = 4
"""The largest number of indices that are listed one by one."""
PATTERNS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("only the diagonal", lambda ones: ones.tril().triu()),
    ("all but the diagonal", lambda ones: ones - ones.tril().triu()),
    ("all above the diagonal", lambda ones: ones.triu(1)),
    ("all below the diagonal", lambda ones: ones.tril(-1)),
    ("all on and above the diagonal", lambda ones: ones.triu()),
    ("all on and below the diagonal", lambda ones: ones.tril()),
)


def spread_of(grade: Grade, truth: Tensor) -> Spread | None:
    """Return where a wrong gradient is off; None if it is right or has another shape.

    A line to blame is shown with correct upstream gradients: its own error alone.
    """
    value = grade.outcome if grade.root else grade.value
    if grade.right or value.shape != truth.shape or not truth.numel():
        return None
    dtype = grade.value.dtype
    limit = FORMULA_LIMIT if grade.root and dtype != torch.float64 else LIMITS.get(dtype, 16.0)
    noise = limit * grade.hand.forward.noise[grade.hand.node.index].to(truth)
    error = (value.to(truth) - truth).abs()
    error = torch.where((value.to(truth) == truth) | truth.isnan(), 0.0, error)
    off = is_off(error, noise)
    return Spread(_picture(error, off), where_it_sits(error, noise)) if off.any() else None


def is_off(error: Tensor, noise: Tensor | float) -> Tensor:
    """Tell which elements are off by more than `noise`; NaN always is."""
    return ~(error.abs() <= noise)


def where_it_sits(error: Tensor, noise: Tensor | float) -> str:
    """Say in words which elements of `error` are larger than `noise`: "only column 0".

    `error` is the gradient by hand minus the truth; `noise` is what rounding explains.
    """
    off = is_off(error, noise)
    if not off.any() or off.all():
        return "all of it" if off.any() else "none of it"
    touched = [_touched(off, dim) for dim in range(off.dim())]
    part = [dim for dim in range(off.dim()) if not touched[dim].all()]
    count, block = int(off.sum()), math.prod(int(t.sum()) for t in touched)
    if count == 1 and len(part) > 1:
        return f"only the element at {off.nonzero()[0].tolist()}"
    pattern = None if count == block else _pattern(off)
    if pattern is not None:
        return pattern
    where = ", in ".join(_indices(touched[dim], _noun(dim, off.dim())) for dim in reversed(part))
    if count == block:
        return f"only {where}" if all(int(touched[d].sum()) == 1 for d in part) else where
    if part and count > block / 2:
        return f"{_percent(count, block)} of {where}"
    share = f"{_percent(count, off.numel())} of the elements"
    share = f"{count} elements" if count <= LISTED else share
    return f"{share}, in {where}" if part else f"{share}, all over"


def _touched(off: Tensor, dim: int) -> Tensor:
    """Return which indices of `dim` have a wrong element."""
    return off.movedim(dim, 0).reshape(off.shape[dim], -1).any(1)


def _noun(dim: int, dims: int) -> tuple[str, str, str]:
    """Return the word for one index along `dim`, for several, and what follows the number."""
    if dims == 1:
        return "element", "elements", ""
    if dim >= dims - 2:
        return (("row", "rows", ""), ("column", "columns", ""))[dim - dims + 2]
    return "index", "indices", f" of dimension {dim}"


def _indices(touched: Tensor, noun: tuple[str, str, str]) -> str:
    """`column 0`, `the last 7 columns`, `rows 0, 5 and 9`, `every 2nd row from 1`."""
    one, many, of = noun
    at, size = touched.nonzero()[:, 0].tolist(), len(touched)
    first, last, count = at[0], at[-1], len(at)
    steps = {b - a for a, b in pairwise(at)}
    correct = (~touched).nonzero()[:, 0].tolist()
    if count == 1:
        words = f"{one} {first}"
    elif len(correct) <= 2 and size > 2 * LISTED:
        words = f"all {many} but {listed(correct)}"
    elif steps == {1} and first == 0:
        words = f"the first {count} {many}"
    elif steps == {1} and last == size - 1:
        words = f"the last {count} {many}"
    elif count <= LISTED:
        words = f"{many} {listed(at)}"
    elif steps == {1}:
        words = f"{many} {first} to {last}"
    elif len(steps) == 1 and first < (step := steps.pop()) and last + step >= size:
        words = f"every {_ordinal(step)} {one} from {first}"
    else:
        words = f"{count} of the {size} {many}"
    return words + of


def _pattern(off: Tensor) -> str | None:
    """Name a pattern of the last two dimensions: the diagonal, one element of each row."""
    if off.dim() < 2 or 1 in off.shape[-2:]:
        return None
    ones = torch.ones(off.shape[-2:], dtype=torch.int8, device=off.device)
    for name, mask in PATTERNS:
        if bool((off == mask(ones).bool()).all()):
            return name
    for dim, each in ((-1, "row"), (-2, "column")):
        counts, size = off.sum(dim), off.shape[dim]
        if bool((counts == 1).all()):
            return f"one element of each {each}"
        if size > 2 and bool((counts == size - 1).all()):
            return f"all but one element of each {each}"
    return None


def _picture(error: Tensor, off: Tensor) -> tuple[str, ...]:
    """Return the levels of Spread."""
    finite = error.isfinite()
    top = error[off & finite].amax() if bool((off & finite).any()) else error.new_ones(())
    level = LEVELS - torch.floor(2 * torch.log10(top / error.where(off & finite, top)))
    level = level.clamp(1, LEVELS).where(off, 0.0).where(finite, LEVELS + 1.0)
    rows, columns = (1, 1, *error.shape)[-2:]
    cells = _thinned(level.reshape(-1, rows, columns).amax(0))
    signs = f"{''.join(map(str, range(LEVELS + 1)))}x"
    return tuple("".join(signs[int(cell)] for cell in row) for row in cells.tolist())


def _thinned(level: Tensor) -> Tensor:
    """Return at most CELLS x CELLS cells of equal size (except the last), each with its worst."""
    rows, columns = (math.ceil(size / CELLS) for size in level.shape)
    padded = F.pad(level, (0, -level.shape[1] % columns, 0, -level.shape[0] % rows))
    return padded.view(len(padded) // rows, rows, -1, columns).amax((1, 3))


def _percent(count: int, size: int) -> str:
    share = 100 * count / size
    if share >= 99.5:
        return "over 99 %"
    return f"{share:.0f} %" if share >= 1 else f"{share:.2g} %"


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
