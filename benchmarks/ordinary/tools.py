"""The three tools, as a test of a project calls them.

Each returns the findings: reasons or names of tests, "found" if it gives neither, "" if it passes.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

import handgrad
from benchmarks.ordinary.cases import Case
from handgrad.checker.functions.inputs.specs import specified

SIZES = {"B": 3, "T": 5, "H": 2, "C": 7, "D": 4, "N": 9, "V": 7}
"""For gradcheck and opcheck, which run one size: none is 1, none is another's multiple."""
FOUND = "found"


def drawn(case: Case) -> list[Tensor]:
    """Return small inputs in float64, of which the wanted require a gradient."""
    values = dict(zip(case.inputs, specified(case.inputs, ()).draw(SIZES, 0), strict=True))
    wide = [v.double() if v.is_floating_point() else v for v in values.values()]
    return [v.requires_grad_(name in case.wanted) for name, v in zip(values, wide, strict=True)]


def check_function(case: Case) -> str:
    """handgrad.check_function at its defaults."""
    report = handgrad.check_function(case.function(), case.reference, case.inputs, wrt=case.wanted)
    codes = " ".join(dict.fromkeys(f.code for f in report.failures if f.code))
    return codes or ("" if report.ok else FOUND)


def gradcheck(case: Case) -> str:
    """torch.autograd.gradcheck at its defaults; a function that overwrites gets a copy."""
    apply = case.function()
    call = (lambda x: apply(x.clone())) if case.overwrites else apply
    passed = torch.autograd.gradcheck(call, drawn(case), raise_exception=False)
    return "" if passed else FOUND


def opcheck(case: Case) -> str | None:
    """torch.library.opcheck at its defaults; None for a function that overwrites its input."""
    if case.overwrites:
        return None
    results = torch.library.opcheck(_operator(case), tuple(drawn(case)), raise_exception=False)
    return " ".join(name for name, outcome in results.items() if outcome != "SUCCESS")


@cache
def _operator(case: Case) -> Any:  # the name of an operator is registered once
    return case.operator()


TOOLS: dict[str, Callable[[Case], str | None]] = {
    "check_function": check_function,
    "gradcheck": gradcheck,
    "opcheck": opcheck,
}
