"""Where rounding alone explains any error: there neither reference nor candidate can be judged."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch

from handgrad.checker.functions.runs.bench import Bench, Quantity
from handgrad.checker.functions.runs.explore import Explored
from handgrad.checker.functions.runs.ratio import limit_of, ratio_in_dtype, ratio_to_truth
from handgrad.checker.functions.runs.trial import run
from handgrad.checker.functions.runs.truth import Truth
from handgrad.checker.passes.compare import LIMITS


class IllConditioned(NamedTuple):
    """A result whose rounding error is as large as the result: zeros would pass."""

    dtype: str
    quantity: str


def ill_conditioned(bench: Bench, explored: Explored) -> list[IllConditioned]:
    """Return the results of the base sample that cannot be judged, by dtype."""
    single = any(trial.single for trial in explored.judged())
    found = []
    for dtype in explored.dtypes:
        truth = run(bench, replace(explored.base, dtype=dtype)).truth
        if truth is not None:
            found += [IllConditioned(dtype, label) for label in _hopeless(truth, single)]
    return found


def everywhere(found: list[IllConditioned], dtypes: tuple[str, ...]) -> list[str]:
    """Return the results that cannot be judged in any dtype."""
    return [
        label
        for label in dict.fromkeys(one.quantity for one in found)
        if {one.dtype for one in found if one.quantity == label} >= set(dtypes)
    ]


def _hopeless(truth: Truth, single: bool) -> Iterator[str]:
    """Yield the results for which zeros would pass; `single`: also if float64 is float32."""
    coarse = single and truth.sample.dtype == "float64"
    for quantity, right in truth.results.items():
        if quantity.kind == "second" or not right.is_floating_point():
            continue
        if not right.numel() or not bool((right != 0).any()):
            continue
        zeros = torch.zeros_like(right)
        passes = ratio_to_truth(truth, quantity, zeros) <= limit_of(truth.sample)
        if not passes and coarse:
            ratio = ratio_in_dtype(truth, quantity, zeros, torch.float32)
            passes = ratio <= LIMITS[torch.float32]
        if passes:
            yield label_of(truth, quantity)


def label_of(truth: Truth, quantity: Quantity) -> str:
    """Return `output`, `output 1` or `gradient of x`."""
    if quantity.kind == "output":
        return "output" if len(truth.call.outputs) < 2 else f"output {quantity.number}"
    if quantity.kind == "gradient":
        return f"gradient of {truth.bench.inputs.names[quantity.number]}"
    return "backward"
