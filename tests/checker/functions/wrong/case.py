"""A planted mistake: the function, its reference and inputs, and how it is checked."""

from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import torch.nn.functional as F

from checker.functions.kernels.norms import NORM, layer_norm
from checker.functions.kernels.products import MUL_REF
from handgrad import FunctionReport, check_function
from handgrad.checker.functions.check import run_check
from handgrad.checker.functions.samples.sample import LAYOUTS, UPSTREAMS


class Case(NamedTuple):
    """One function to check, with keyword arguments of check_function where it needs them."""

    function: Any
    reference: Any
    inputs: Any
    options: dict[str, Any] = {}  # noqa: RUF012

    def report(self) -> FunctionReport:
        """Check the function over the grid that users get."""
        return check_function(self.function, self.reference, self.inputs, **self.options)

    def quick_report(self) -> FunctionReport:
        """Check the function over half of that grid: each circumstance alone."""
        return run_check(
            self.function,
            self.reference,
            self.inputs,
            rerun=str,
            samples_around=each_alone,
            **self.options,
        )


def each_alone(base, dtypes, names, outputs, sizes):
    """A grid in which only one circumstance differs from the base at a time."""
    plain = replace(base, dtype=dtypes[0])
    samples = [replace(plain, upstream=kind) for kind in UPSTREAMS]
    samples += [replace(plain, layout=layout) for layout in LAYOUTS]
    for letter, dtype in product(sizes, dtypes):
        samples += [replace(plain, dtype=dtype).sized({letter: n}) for n in sizes[letter]]
    samples += [replace(plain, grad=name) for name in names if len(names) > 1]
    samples += [replace(plain, output=i) for i in range(outputs) if outputs > 1]
    samples += [replace(plain, zeros=True)]
    return list(dict.fromkeys(samples))


EXP = {"x": "B C"}
MUL = {"x": "B C", "weight": "C"}
ROWS = {"logits": "N V", "targets": "N < V"}
QKV = {"q": "T D", "k": "T D", "v": "T D"}
LIN = {"x": "N I", "weight": "O I", "bias": "O"}
ONE = ("float64",)  # a wrong formula is wrong in every dtype
QUICK = {"sizes": {"B": (3, 1, 0), "C": (5, 1, 0)}, "dtypes": ONE}
QUICK_ROWS = {"sizes": {"N": (3, 1), "V": (5, 1)}, "dtypes": ONE}
THREE = {"N": (3, 1), "I": (5,), "O": (7,)}


def norm(function, **options):
    return Case(function, layer_norm, NORM, {**QUICK, **options})


def mul(function, **options):
    return Case(function, MUL_REF, MUL, {**QUICK, **options})


def unary(function, reference, **options):
    return Case(function, reference, EXP, {**QUICK, **options})


def linear(function, **options):
    return Case(function, F.linear, LIN, {"sizes": THREE, "dtypes": ONE, **options})
