"""One function to check: how, at which sizes, in which dtypes."""

from typing import Any, NamedTuple

import torch.nn.functional as F

from checker.functions.kernels.norms import NORM, layer_norm
from checker.functions.kernels.products import MUL_REF


class Case(NamedTuple):
    """One function to check, with keyword arguments of check_function where it needs them."""

    function: Any
    reference: Any
    inputs: Any
    options: dict[str, Any] = {}  # noqa: RUF012


EXP = {"x": "B C"}
MUL = {"x": "B C", "weight": "C"}
ROWS = {"logits": "N V", "targets": "N < V"}
QKV = {"q": "T D", "k": "T D", "v": "T D"}
LIN = {"x": "N I", "weight": "O I", "bias": "O"}
ONE = ("float64",)  # a mistake of a formula is the same in every dtype
QUICK = {"sizes": {"B": (3, 1, 16, 0), "C": (5, 1, 16, 0)}, "dtypes": ONE}
QUICK_ROWS = {"sizes": {"N": (3, 1, 16), "V": (5, 1, 16)}, "dtypes": ONE}
THREE = {"N": (3, 1, 16), "I": (5, 16), "O": (7, 16)}


def norm(function, **options):
    return Case(function, layer_norm, NORM, {**QUICK, **options})


def mul(function, **options):
    return Case(function, MUL_REF, MUL, {**QUICK, **options})


def unary(function, reference, **options):
    return Case(function, reference, EXP, {**QUICK, **options})


def linear(function, **options):
    return Case(function, F.linear, LIN, {"sizes": THREE, "dtypes": ONE, **options})
