"""Wrong formulas: constant statistics, vectors read as scalars, constant factors."""

from collections.abc import Iterator
from itertools import combinations, cycle
from math import prod

import torch
from torch import Tensor

from handgrad.checker.functions.causes.cause import Turn, cause
from handgrad.checker.functions.causes.constants import DetachedReductions
from handgrad.checker.functions.causes.evidence import FunctionEvidence, FunctionFinding
from handgrad.checker.functions.samples.sample import CheckSample
from handgrad.text import listed

FIRST_SIZES, SECOND_SIZES = (4, 9, 6, 5, 8, 7, 10), (6, 4, 7, 3, 5, 9, 8)
"""Sizes of the letters, in order, at which a factor is compared with products of sizes."""
FEW = 4
"""Up to this many reductions, every subset is tried as constants; beyond, each one and all."""


@cause("HG152", "saved statistics treated as constants", turn=Turn.FORMULA)
def statistics_constant(e: FunctionEvidence) -> FunctionFinding | None:
    """The gradient treats a mean, a variance, a norm or another reduction as a constant.

    What
        The contribution through the statistic is missing: backward computes the derivative as if
        the statistic did not depend on the input.
    Why
        forward saves rstd for backward, which is right. But rstd is a function of x too.
    Wrong
        return dout * weight * rstd
    Right
        dn = dout * weight
        return rstd * (dn - dn.mean(-1, True) - n * (dn * n).mean(-1, True))
    """
    if not e.comparable or e.quantity.kind != "gradient":
        return None
    reductions = DetachedReductions(set())
    if e.with_changes(mode=reductions) is None or not reductions.names:
        return None
    for chosen in _subsets(len(reductions.names)):
        if e.explains(e.with_changes(mode=DetachedReductions(set(chosen)))):
            names = listed(_ordinal(reductions.names, i) for i in chosen)
            name = e.name(e.quantity.number)
            return FunctionFinding(
                f"A statistic of {name} is treated as a constant: this is the gradient with the "
                f"reference's {names} detached.",
                f"Add the contribution to the gradient of {name} through {names}.",
            )
    return None


@cause("HG162", "constant factor", turn=Turn.FORMULA)
def constant_factor(e: FunctionEvidence) -> FunctionFinding | None:
    """The result is the right one times a constant.

    What
        A sign, the 2 of the power rule, or the 1/n of a mean is missing or too many.
    Why
        .mean() divides by n, so its backward does too. The derivative of x**2 has a factor 2, that
        of a - b by b has a minus sign.
    Wrong
        return x * dout                   # of x**2
    Right
        return 2 * x * dout
    """
    factor = _factor(e) if e.comparable else None
    if factor is None:
        return None
    counted = _counted(e, factor)
    if counted is not None:
        return counted
    second = other = None
    for sizes in (FIRST_SIZES, SECOND_SIZES):
        letters = dict(zip(e.sample.size_of, cycle(sizes), strict=False))
        other = e.at(e.sample.sized(letters))
        second = _factor(other) if other else None
        if other is not None and second is not None:
            break
    if other is None or second is None:
        return _unvaried(e, factor) if e.right.numel() > 1 else None
    factors_there = dict(_named_factors(other.sample))
    for text, value in _named_factors(e.sample):
        if _same(factor, value) and _same(second, factors_there[text]):
            return _named(text, _reciprocal(text))
    return _unnamed(factor) if _same(factor, second) else None


def _counted(e: FunctionEvidence, factor: float) -> FunctionFinding | None:
    """Return the finding if the factor is the part of targets or elements that count."""
    for name, value in zip(e.bench.inputs.names, e.truth.values, strict=True):
        if not isinstance(value, Tensor) or value.is_floating_point() or not value.numel():
            continue
        kept = value if value.dtype == torch.bool else value >= 0
        part = float(kept.double().mean())
        if part not in (0.0, 1.0):
            if _same(factor, part):
                return FunctionFinding(
                    f"This is the correct result times the part of {name} that counts: the mean "
                    f"is over all elements, those that are ignored included.",
                    f"Divide by the number of elements of {name} that are not ignored.",
                )
            if _same(factor, 1 / part):
                return FunctionFinding(
                    f"This is the correct result divided by the part of {name} that counts: the "
                    f"mean is over elements that are not ignored, and should be over all.",
                    f"Divide by the number of all elements of {name}.",
                )
    return None


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, count + 1) if count <= FEW else (1, count):
        yield from combinations(range(count), size)


def _ordinal(names: list[str], index: int) -> str:
    """Return the name of a reduction, with its ordinal if there are several of that name."""
    same = [i for i, name in enumerate(names) if name == names[index]]
    if len(same) == 1:
        return f"`{names[index]}`"
    nth = ("first", "second", "third", "fourth", "fifth")
    place = same.index(index)
    return f"{nth[place] if place < len(nth) else f'{place + 1}th'} `{names[index]}`"


def _factor(e: FunctionEvidence) -> float | None:
    """Return the constant, other than 1, by which the right result was multiplied, if any."""
    if e.hand.shape != e.right.shape or not e.right.numel():
        return None
    square = float((e.right * e.right).sum())
    factor = float((e.hand.to(e.right) * e.right).sum()) / square if square else 0.0
    return factor if factor and e.explains(factor * e.right) else None


def _named_factors(sample: CheckSample) -> Iterator[tuple[str, float]]:
    """Yield factors and their names: plain numbers, then products of sizes."""
    yield from (("-1", -1.0), ("2", 2.0), ("1/2", 0.5), ("-2", -2.0), ("-1/2", -0.5))
    sizes = [(k, n) for k, n in sample.sizes if n > 1]
    for count in range(1, len(sizes) + 1):
        for group in combinations(sizes, count):
            name, number = " * ".join(k for k, _ in group), prod(n for _, n in group)
            one = f"({name})" if count > 1 else name
            yield name, number
            yield f"1/{one}", 1 / number
            yield f"({name} - 1)/{one}", (number - 1) / number
            yield f"{one}/({name} - 1)", number / (number - 1)
            yield f"{one}**0.5", number**0.5
            yield f"{one}**-0.5", number**-0.5
            yield f"{one}**2", float(number**2)
            yield f"{one}**-2", 1 / number**2


def named_factor(sample: CheckSample, factor: float) -> str | None:
    """Return the name of a factor in sizes of the sample, such as `1/D`; None if it has none."""
    return next((text for text, value in _named_factors(sample) if _same(factor, value)), None)


def _reciprocal(text: str) -> str:
    known = {"-1": "-1", "2": "1/2", "1/2": "2", "-2": "-1/2", "-1/2": "-2"}
    if text in known:
        return known[text]
    base, power, exponent = text.partition("**")
    if power:
        opposite = exponent[1:] if exponent[0] == "-" else f"-{exponent}"
        return f"{base}**{opposite}"
    top, _, bottom = text.partition("/")
    if bottom:
        return f"{bottom}/{top}".removesuffix("/1")
    return f"1/({text})" if " " in text else f"1/{text}"


def _named(factor: str, inverse: str) -> FunctionFinding:
    if factor == "-1":
        return FunctionFinding(
            "Wrong sign: this is the negative of the correct result.", "Change the sign."
        )
    return FunctionFinding(f"This is {factor} times the correct result.", f"Multiply by {inverse}.")


def _unvaried(e: FunctionEvidence, factor: float) -> FunctionFinding:
    """Return the finding where no other sizes can be tried: the factor, and what it may be."""
    finding = _unnamed(factor)
    names = [text for text, value in _named_factors(e.sample)
             if text.strip("-/12") and _same(factor, value)]  # fmt: skip
    if not names:
        return finding
    return finding._replace(message=f"{finding.message} Here that is {names[0]}.")


def _unnamed(factor: float) -> FunctionFinding:
    return _named(f"{factor:.6g}", f"{1 / factor:.6g}")


def _same(a: float, b: float) -> bool:
    """Return whether two factors agree as far as bfloat16 determines a factor of many elements."""
    return abs(a - b) <= 1e-3 * abs(b)
