"""Values that are off: statistics held constant, operands taken for scalars, factors."""

from collections.abc import Iterator
from itertools import combinations
from math import prod

from torch import Tensor

from handgrad.checker.functions.bench import Quantity, doubles
from handgrad.checker.functions.causes.cause import cause, counted
from handgrad.checker.functions.causes.constants import Held
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.samples import Sample

FEW = 4
"""Up to so many reductions, every subset of them is tried as constants; of more, one and all."""


@cause("HG152", "saved statistics treated as constants")
def statistics_constant(e: Evidence) -> Finding | None:
    """The gradient holds a mean, a variance, a norm or another reduction of the input constant.

    What
        The term through the statistic is missing: what comes back is the derivative as if the
        statistic did not depend on the input.
    Why
        forward saves rstd for backward, which is right; but rstd is a function of x too.
    Wrong
        return dout * weight * rstd
    Right
        dn = dout * weight
        return rstd * (dn - dn.mean(-1, True) - n * (dn * n).mean(-1, True))
    """
    if not e.values or e.quantity.kind != "gradient":
        return None
    counter = Held(set())
    if e.otherwise(mode=counter) is None or not counter.seen:
        return None
    for chosen in _subsets(len(counter.seen)):
        mode = Held(set(chosen))
        if e.explains(e.otherwise(mode=mode)):
            names = counted(list(dict.fromkeys(_ordinal(counter.seen, i) for i in chosen)))
            name = e.name(e.quantity.number)
            return Finding(
                f"A statistic of {name} is treated as a constant: this is the gradient with the "
                f"reference's {names} detached.",
                f"Add the terms that come to {name} through the {names}.",
            )
    return None


@cause("HG158", "a vector taken for a scalar")
def vector_as_scalar(e: Evidence) -> Finding | None:
    """One element of an operand is used for all of it.

    What
        Right where the operand is the same everywhere (weights of 1, one scale for all); wrong for
        a scale a token, a weight a channel.
    Why
        The kernel loads its first element, or .item() or .mean() made one number of it.
    Wrong
        scale = tl.load(scale_ptr)
    Right
        scale = tl.load(scale_ptr + row)
    """
    if not e.values:
        return None
    for i, value in enumerate(doubles(e.truth.values)):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.numel() < 2:
            continue
        if Quantity("gradient", i) == e.quantity and not e.truth.found[e.quantity].numel():
            continue
        for said, one in _ones_of(value):
            if e.explains(e.with_value(i, one.expand_as(value).clone())):
                return Finding(
                    f"{e.name(i)} is taken for a scalar: {said}.",
                    f"Read each element of {e.name(i)} where its own row or column is.",
                )
    return None


@cause("HG162", "constant factor")
def constant_factor(e: Evidence) -> Finding | None:
    """The result is the right one times a constant.

    What
        A sign, a 2 of the power rule, a mean's 1/n.
    Why
        .mean() divides by n, so its backward does too; x**2 brings a 2; a - b brings a minus.
    Wrong
        return x * dout                   # of x**2
    Right
        return 2 * x * dout
    """
    if not e.values or e.hand.shape != e.right.shape or not e.right.numel():
        return None
    factor = _factor(e)
    if factor is None:
        return None
    for sizes in ((4, 9, 6, 5), (6, 4, 7, 3)):
        letters = dict(zip(e.sample.size_of, sizes, strict=False))
        other = e.moved(e.sample.sized(letters))
        second = _factor(other) if other else None
        if other is not None and second is not None:
            break
    else:
        return _alone(e, factor) if e.right.numel() > 1 else None
    for text, value in _named_factors(e.sample):
        if _same(factor, value) and any(
            text == t and _same(second, v) for t, v in _named_factors(other.sample)
        ):
            return _by_factor(e, text, _reciprocal(text))
    return _alone(e, factor) if _same(factor, second) else None


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    numbers = range(count)
    sizes = range(1, count + 1) if count <= FEW else (1, count)
    for size in sizes:
        yield from combinations(numbers, size)


def _ordinal(seen: list[str], index: int) -> str:
    same = [i for i, name in enumerate(seen) if name == seen[index]]
    if len(same) == 1:
        return f"`{seen[index]}`"
    nth = ("first", "second", "third", "fourth", "fifth")
    place = same.index(index)
    return f"{nth[place] if place < len(nth) else f'{place + 1}th'} `{seen[index]}`"


def _ones_of(value: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "its first element is used for all", value.flatten()[0]
    yield "its mean is used for each", value.mean()
    if value.dim() > 1:
        yield "its first row is used for all", value[:1]
        yield "its first column is used for all", value[..., :1]


def _factor(e: Evidence) -> float | None:
    """Return the number, not 1, that the right result is multiplied by, if there is one."""
    if e.hand.shape != e.right.shape or not e.right.numel():
        return None
    square = float((e.right * e.right).sum())
    factor = float((e.hand.to(e.right) * e.right).sum()) / square if square else 0.0
    return factor if factor and e.explains(factor * e.right) else None


def _named_factors(sample: Sample) -> Iterator[tuple[str, float]]:
    """Yield factors and their names: plain numbers, then products of the sizes."""
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


def _reciprocal(text: str) -> str:
    known = {"-1": "-1", "2": "1/2", "1/2": "2", "-2": "-1/2", "-1/2": "-2"}
    if text in known:
        return known[text]
    top, _, bottom = text.partition("/")
    return f"{bottom}/{top}".removesuffix("/1") if bottom else f"1/({text})"


def _by_factor(e: Evidence, text: str, inverse: str) -> Finding:
    if text == "-1":
        return Finding("The sign is wrong: this is -1 times the right one.", "Turn the sign.")
    return Finding(f"Everything is off by the factor {text}.", f"Multiply by {inverse}.")


def _alone(e: Evidence, factor: float) -> Finding:
    """A factor without a name."""
    return Finding(
        f"Everything is off by the factor {factor:.6g}.", f"Multiply by {1 / factor:.6g}."
    )


def _same(a: float | None, b: float) -> bool:
    """To within what bfloat16 leaves of a factor that is fitted over many elements."""
    return a is not None and abs(a - b) <= 1e-3 * abs(b)
