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

    def quick_report(self, *varied: str) -> FunctionReport:
        """Check the function over a smaller grid, which varies these circumstances one by one."""
        return run_check(
            self.function,
            self.reference,
            self.inputs,
            rerun=str,
            samples_around=varying(*varied),
            **self.options,
        )


def varying(*names):
    """A grid whose samples differ from the base in one of the named circumstances alone."""

    def samples(base, dtypes, inputs, outputs, sizes):
        plain = replace(base, dtype=dtypes[0])
        choices = {
            "upstream": [replace(plain, upstream=kind) for kind in UPSTREAMS],
            "layout": [replace(plain, layout=layout) for layout in LAYOUTS],
            "sizes": [
                replace(plain, dtype=dtype).sized({letter: size})
                for letter, dtype in product(sizes, dtypes)
                for size in sizes[letter]
            ],
            "long sums": [
                replace(plain, dtype=dtype, upstream="ones").sized({letter: max(sizes[letter])})
                for letter, dtype in product(sizes, dtypes)
            ],
            "grad": [replace(plain, grad=name) for name in inputs if len(inputs) > 1],
            "output": [replace(plain, output=i) for i in range(outputs) if outputs > 1],
            "zeros": [replace(plain, zeros=True)],
            "ties": [replace(plain, ties=True), replace(plain, ties=True, draw=1)],
        }
        return list(dict.fromkeys(sample for name in names for sample in choices[name]))

    return samples


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
