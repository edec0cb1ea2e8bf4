"""What a run needs of this machine, estimated before it starts: memory, and time to compile.

The estimate comes from the model's own calls and shapes. A size that adds calls, such as the number
of layers, may be so large that nothing can list them; what such a size adds is found from small
values, because every further one adds the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from handgrad.errors import HandgradError, SettingsError
from handgrad.optim import OPTIMIZERS
from handgrad.processors import available, available_memory
from handgrad.training.described import shown
from handgrad.training.settings import TrainSettings

if TYPE_CHECKING:
    from handgrad.models import Model

FEW = 3
"""A value from which on every further one adds the same: the first layers may differ."""
MOST_CALLS = 20_000
"""More layer calls than any engine can work through."""
MOST_THREADS = 1024
MOST_COMPILING = 600
"""Maximum seconds of compiling that are started."""
FIXED_BYTES = 300 << 20
"""The interpreter, torch and the compiler."""
FIRST_STEPS = 10
"""Steps in the first block, whose positions are drawn at once."""
ITEM = {"float32": 4, "float64": 8}
VERIFYING = {"parameters": 11, "activations": 6}
"""Numbers in float64 per parameter and per activation while the first gradients are verified:
autograd's and ours in both precisions, and the runs that measure rounding. Measured (9.4 and 5.2),
with a margin: an estimate that is too low ends in a kill without a word."""


@dataclass(frozen=True)
class Needs:
    """`memory` in bytes, `compiling` in seconds."""

    memory: int
    compiling: float


def check_needs(model: "Model", settings: TrainSettings) -> None:
    """Raise SettingsError if this machine cannot run it: what it needs, what is there, what fits.

    `settings` are resolved.
    """
    check_countable(model)
    if (settings.threads or 1) > MOST_THREADS:
        raise SettingsError(
            f"threads is {settings.threads}; at most {MOST_THREADS} are possible, "
            f"and this machine has {available()} CPUs"
        )
    free = memory_of(settings.device)
    needs = needs_of(model, settings)
    if needs.memory > free:
        problem = f"needs {_about(needs.memory)} of memory; {_bytes(free)} are available"
        fits = _fitting(model, settings, lambda n: n.memory <= free)
    elif needs.compiling > MOST_COMPILING:
        problem = (
            f"needs about {_time(needs.compiling)} to compile; "
            f"at most {_time(MOST_COMPILING)} are started"
        )
        fits = _fitting(model, settings, lambda n: n.compiling <= MOST_COMPILING)
    else:
        return
    sizes = _sizes(model, settings)
    blamed = ", ".join(f"{name} {shown(sizes[name])}" for name in fits or _raised(model, settings))
    advice = [f"{_option(name)} {value} or less" for name, value in fits.items()]
    if needs.memory <= free:
        advice.append("--engine fused, which is not compiled")
    raise SettingsError(
        f"{blamed or 'this run'}: {problem}: use {', or '.join(advice) or 'smaller sizes'}"
    )


def check_countable(model: "Model") -> None:
    """Raise SettingsError for a model of so many calls that nothing can list them."""
    calls = _extrapolated(model, lambda one: len(one.calls()))
    if calls <= MOST_CALLS:
        return
    names = [name for name in _repeats(model) if getattr(model, name) > FEW]
    values = ", ".join(f"{name} {shown(getattr(model, name))}" for name in names)
    raise SettingsError(
        f"{values}: the model would have {shown(calls, '{:,}'.format)} layer calls; "
        f"at most {MOST_CALLS:,} are possible: use a smaller {_option(names[0])}"
    )


def needs_of(model: "Model", settings: TrainSettings) -> Needs:
    """Return the estimate. Raises SettingsError if the model cannot be compiled and should be."""
    memory = _extrapolated(model, lambda one: _memory(one, settings))
    compiling = 0.0
    if settings.engine == "compiled":
        arguments = _extrapolated(model, lambda one: _arguments(one, settings.optimizer))
        compiling = _compiling(arguments)
    return Needs(memory, compiling)


def memory_of(device: str) -> int:
    """Return the bytes that are available on `device`."""
    if device == "cpu":
        return available_memory()
    import torch

    return int(torch.cuda.mem_get_info(device)[0])


def _memory(model: "Model", settings: TrainSettings) -> int:
    """Return bytes; every term is linear in the number of layers."""
    from handgrad.engine.compiled.names import (
        batch_shapes,
        bind,
        gradient_shapes,
        thread_scratch,
    )

    item, batch = ITEM[settings.dtype], settings.batch_size
    parameters = _count(model.shapes())
    moments = len(OPTIMIZERS[settings.optimizer].moments)
    whole = _count(batch_shapes(model, batch))
    bytes_ = 8 * whole + FIRST_STEPS * 3 * 8 * batch + FIXED_BYTES
    bytes_ += item * parameters * (1 + moments)
    try:
        bound = bind(model, batch)
    except SettingsError:
        if settings.engine == "compiled":
            raise
        return bytes_ + 8 * parameters * VERIFYING["parameters"]
    shapes = gradient_shapes(bound, model.shapes())
    for one in bound:
        shapes |= one.shapes
    step = _count(shapes)
    bytes_ += item * (step + _count(thread_scratch(bound)) * (settings.threads or available()))
    activations = max(0, step - 2 * parameters) // 2  # without their gradients
    verifying = VERIFYING["parameters"] * parameters + VERIFYING["activations"] * activations
    return bytes_ + 8 * verifying


def _arguments(model: "Model", optimizer: str) -> int:
    from handgrad.engine.compiled.source import argument_names

    return len(argument_names(model, optimizer))


def _compiling(arguments: int) -> float:
    """Return the seconds that a step of so many arrays takes to compile; measured on one core."""
    return float(5 + 0.0135 * arguments + 22.5 * min(arguments / 797, 1e9) ** 2.6)


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())


def _extrapolated(model: "Model", measure: Callable[["Model"], int]) -> int:
    """Return `measure(model)`, which is linear in sizes that add calls, without listing them."""
    repeats = [name for name in _repeats(model) if getattr(model, name) > FEW]
    small = _with(model, dict.fromkeys(repeats, FEW))
    if small is None:
        return measure(model)
    total = base = measure(small)
    for name in repeats:
        more = _with(small, {name: FEW + 1})
        if more is not None:
            total += (measure(more) - base) * (getattr(model, name) - FEW)
    return total


def _repeats(model: "Model") -> list[str]:
    """Return the names of the sizes that add calls."""
    names = _whole(model)
    tiny = (_with(model, {n: min(k, getattr(model, n)) for n in names}) for k in (2, 4, 1, 8))
    small = next((one for one in tiny if one is not None), None)
    if small is None:
        return []
    calls = len(small.calls())
    more = {name: _with(small, {name: getattr(small, name) + 1}) for name in names}
    return [name for name, one in more.items() if one is not None and len(one.calls()) != calls]


def _whole(model: "Model") -> list[str]:
    """Return the names of the model's whole numbers."""
    values = ((one.name, getattr(model, one.name)) for one in fields(model))  # type: ignore[arg-type]
    return [name for name, value in values if isinstance(value, int) and type(value) is not bool]


def _with(model: "Model", changes: dict[str, int]) -> "Model | None":
    """Return the model with other sizes, or None if they are not possible."""
    try:
        changed: Model = replace(model, **changes)  # type: ignore[type-var]
    except HandgradError:
        return None
    return changed


def _sizes(model: "Model", settings: TrainSettings) -> dict[str, int]:
    """Return what the user can choose: batch_size and the model's sizes."""
    names = (name for name in _whole(model) if name != "vocab_size")
    return {"batch_size": settings.batch_size} | {name: getattr(model, name) for name in names}


def _fitting(
    model: "Model", settings: TrainSettings, fits: Callable[[Needs], bool]
) -> dict[str, int]:
    """Return the largest value that fits of each size that can be reduced alone to make it fit.

    Sizes above their defaults come alone, if there are any: those are what was asked for.
    """
    largest = {}
    for name, value in _sizes(model, settings).items():
        found = _largest(value, partial(_fits, model, settings, name, fits))
        if found is not None:
            largest[name] = found
    raised = _raised(model, settings)
    return {name: value for name, value in largest.items() if name in raised} or largest


def _raised(model: "Model", settings: TrainSettings) -> list[str]:
    """Return the names of the sizes that are above their defaults."""
    known: Any = (*fields(TrainSettings), *fields(model))  # type: ignore[arg-type]
    defaults = {one.name: one.default for one in known if isinstance(one.default, int)}
    sizes = _sizes(model, settings)
    return [name for name, value in sizes.items() if value > defaults.get(name, 0)]


def _fits(
    model: "Model",
    settings: TrainSettings,
    name: str,
    fits: Callable[[Needs], bool],
    value: int,
) -> bool | None:
    """Return whether it fits with another value of one size; None if that is not possible."""
    if name == "batch_size":
        if value < model.min_batch_size:
            return None
        return fits(needs_of(model, replace(settings, batch_size=value)))
    changed = _with(model, {name: value})
    return None if changed is None else fits(needs_of(changed, settings))


def _largest(value: int, fits: Callable[[int], bool | None]) -> int | None:
    """Return the largest of 1 to `value` that fits, to two digits; None if none does.

    Values that are not possible, such as widths that heads do not divide, are passed over.
    """
    low, high = 0, value  # low fits, high does not
    while high - low > max(1, low // 200):
        middle = (low + high) // 2 if low else max(1, high // 32)
        good = next((v for v in range(middle, max(low, middle - 64), -1) if fits(v)), None)
        if good is None:
            high = middle
        else:
            low = good
        if high == 1:
            break
    if not low:
        return None
    unit = 10 ** max(0, len(str(low)) - 2)
    rounded = low // unit * unit
    return rounded if fits(rounded) else low


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _about(count: int) -> str:
    return "more than a million TB" if count >= 10**18 else f"about {_bytes(count)}"


def _bytes(count: int) -> str:
    """Return 340 MB, 2.5 GB, 1,200 TB."""
    for unit, size in (("TB", 10**12), ("GB", 10**9)):
        if count >= size:
            tenths = count * 10 // size
            return f"{tenths / 10:.1f} {unit}" if tenths < 1000 else f"{count // size:,} {unit}"
    return f"{count // 10**6} MB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size or unit == "minutes":
            return f"{seconds / size:,.0f} {unit}"
    raise AssertionError("minutes are the last unit")
