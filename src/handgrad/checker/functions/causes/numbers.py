"""Values that are off: statistics held constant, operands taken for scalars, factors, precision."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from math import inf, prod

import torch
from torch import Tensor

from handgrad.checker.functions.bench import Quantity, doubles, measured, measured_in
from handgrad.checker.functions.calls import Call, tensors_of
from handgrad.checker.functions.causes.cause import cause, counted
from handgrad.checker.functions.causes.constants import Held
from handgrad.checker.functions.evidence import Evidence, Finding
from handgrad.checker.functions.samples import Sample
from handgrad.checker.judging.compare import LIMITS

FEW = 4
"""Up to so many reductions, every subset of them is tried as constants; of more, one and all."""
STAYS = 0.25
"""Of values rounded to steps of eps, 63 of 64 stay where they were when moved by eps / 64; several
roundings one after the other, and casts back, leave fewer."""
GROWTH = 3.0
"""An error that grows with the size is this much larger at the largest size than at a small one."""


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
            name = e.name(e.quantity.index)
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


@cause("HG165", "accumulated in low precision")
def low_precision(e: Evidence) -> Finding | None:
    """Sums are kept in a dtype that has too few digits for them.

    What
        Right in float64 and float32, or for small sizes; the error grows with the number of terms.
    Why
        In bfloat16 256 + 1 is 256: a running sum stops growing. torch itself sums in float32.
    Wrong
        acc = torch.zeros(n, dtype=x.dtype)
    Right
        acc = torch.zeros(n, dtype=torch.float32)
    """
    if not e.values:
        return None
    if e.sample.dtype in ("bfloat16", "float16"):
        return _growing(e)
    for dtype in (torch.float16, torch.bfloat16):
        if measured_in(e.truth, e.quantity, e.hand, dtype) <= LIMITS[dtype] and _coarse(e, dtype):
            name = str(dtype).removeprefix("torch.")
            return Finding(
                f"In {e.sample.dtype} it is right only to the precision of {name}: somewhere it "
                f"is computed in it.",
                "Keep what is added up, and what is multiplied, in float32.",
            )
    return None


@cause("HG168", "not finite at zero")
def infinite(e: Evidence) -> Finding | None:
    """NaN or infinity where the reference has a number.

    What
        A row of zeros, of padding, all masked.
    Why
        0 / 0, log(0), inf - inf: the reference has an eps, a maximum, a mask where this has none.
    Wrong
        rstd = 1 / var.sqrt()
    Right
        rstd = 1 / (var + eps).sqrt()
    """
    if e.kind == "infinite":
        return Finding(
            "NaN or infinity where a row of the inputs is 0; the reference is finite there.",
            "Add the reference's eps inside the root or the quotient, or mask before dividing.",
        )
    if not e.values or bool(e.hand.isfinite().all()) or not bool(e.right.isfinite().all()):
        return None
    count = int((~e.hand.isfinite()).sum())
    return Finding(
        f"NaN or infinity in {count} of {e.hand.numel()} elements; the reference is finite there.",
        "Look for a quotient, a logarithm or a root of what may be 0, and for inf - inf.",
    )


@cause("HG166", "the two forwards differ")
def forward_differs(e: Evidence) -> Finding | None:
    """What the function computes is not what the reference computes.

    What
        The output itself is off; its gradient may be right for what it is.
    Why
        Another formula: tanh gelu against erf gelu, another eps, var with n against n - 1.
    Wrong
        check_function(TanhGelu.apply, torch.nn.functional.gelu, (x,))
    Right
        check_function(TanhGelu.apply, lambda x: F.gelu(x, approximate="tanh"), (x,))
    """
    if e.kind not in ("wrong", "shape") or e.quantity.kind != "output":
        return None
    said = "The function computes something else than the reference"
    fix = "Mend the forward, or give the reference that it stands for; then look at gradients."
    numeric = _own_derivative(e)
    if numeric is None:
        return Finding(f"{said}.", fix)
    agrees = "is right" if numeric else "is wrong"
    return Finding(f"{said}; its backward {agrees} for its own forward (central differences).", fix)


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
    """Return the one number that makes the result of the right one, if there is one that is not 1."""
    if e.hand.shape != e.right.shape or not e.right.numel():
        return None
    square = float((e.right * e.right).sum())
    factor = float((e.hand.to(e.right) * e.right).sum()) / square if square else 0.0
    return factor if factor and e.explains(factor * e.right) else None


def _named_factors(sample: Sample) -> Iterator[tuple[str, float]]:
    """Yield factors and their names: plain numbers, then products of the sizes."""
    for text, value in (("-1", -1.0), ("2", 2.0), ("1/2", 0.5), ("-2", -2.0), ("-1/2", -0.5)):
        yield text, value
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


def _growing(e: Evidence) -> Finding | None:
    """R at growing sizes of one letter, where it grows."""
    for letter in e.sample.size_of:
        ratios = []
        for size in (16, 127, 1031):
            trial = e.at(replace(e.sample.sized({letter: size})))
            if trial.truth is None or e.quantity not in trial.found:
                break
            ratios.append(measured(trial.truth, e.quantity, trial.found[e.quantity]))
        if len(ratios) == 3 and max(ratios) < inf and ratios[2] > GROWTH * max(ratios[0], 1.0):
            shown = ", ".join(
                f"{r:.0f} at {letter}={n}" for n, r in zip((16, 127, 1031), ratios, strict=True)
            )
            return Finding(
                f"The error grows with {letter}: R is {shown}; in {e.explored.base.dtype} it is "
                f"right. Sums are kept in {e.sample.dtype}.",
                "Add up in float32, and cast what comes out.",
            )
    return None


def _coarse(e: Evidence, dtype: torch.dtype) -> bool:
    """Tell whether the function goes by steps: moved by far less than eps, most results stay.

    A formula that is a little off goes smoothly, and moves with its inputs.
    """
    by = 1 + torch.finfo(dtype).eps / 64
    moved = [v * by if isinstance(v, Tensor) and v.is_floating_point() else v
             for v in e.truth.values]  # fmt: skip
    try:
        call = Call(e.bench.function, moved, e.truth.wanted)
        found = call.outputs[e.quantity.index].detach() if e.quantity.kind == "output" else None
        if found is None:
            upstream = [u * by for u in e.truth.upstream]
            gradients = call.gradients(e.truth.outputs, upstream)
            found = gradients[e.truth.wanted.index(e.quantity.index)]
    except Exception:
        return False
    if found is None or found.shape != e.hand.shape:
        return False
    alive = e.hand != 0
    same = (found == e.hand) & alive
    return bool(alive.any()) and float(same.sum() / alive.sum()) > STAYS


def _own_derivative(e: Evidence) -> bool | None:
    """Tell whether the backward is right for the function's own forward; None: cannot tell.

    Central differences along one random direction in float64, steps of 1e-5: truncation and
    rounding both stay below 1e-6 of the size of what is added up.
    """
    base = replace(e.sample, dtype="float64", layout="contiguous", on=None)
    trial = e.at(base)
    if trial.truth is None or trial.call is None or trial.single or not trial.truth.outputs:
        return None
    truth, step = trial.truth, 1e-5
    if any(Quantity("gradient", i) not in trial.found for i in truth.wanted):
        return None
    if any(trial.call.outputs[i].dtype != torch.float64 for i in truth.outputs):
        return None
    slope, terms = 0.0, 0.0
    above, below = list(truth.values), list(truth.values)
    for i, direction in zip(truth.wanted, truth.along, strict=True):
        above[i] = truth.values[i] + step * direction
        below[i] = truth.values[i] - step * direction
        parts = trial.found[Quantity("gradient", i)] * direction
        slope, terms = slope + float(parts.sum()), terms + float(parts.abs().sum())
    try:
        ends = [e.bench.function(*values) for values in (above, below)]
    except Exception:
        return None
    numeric = 0.0
    for i, u in zip(truth.outputs, truth.upstream, strict=True):
        up, down = (tensors_of(end)[i] for end in ends)
        numeric += float(((up - down) * u).sum()) / (2 * step)
    return abs(numeric - slope) <= 1e-6 * max(terms, abs(numeric), 1.0)
