"""Functions rewritten from public bug reports: the wrong ones fail, most with the right reason.

Over few sizes, and the wrong formulas in float64, since they are wrong in every dtype;
`python -m benchmarks.reported` (`make prove`) runs the whole grid.
"""

import pytest

from checker.functions.reported import PAIRS, UNEXPLAINED
from checker.functions.reported.case import Reported
from handgrad import check_function
from handgrad.checker.functions.inputs.specs import specified
from handgrad.checker.functions.samples.grid import FIRST

FEW = (1, 16, 65, 0)
ONE = ("float64",)
WHOLE = ("rms low", "rows dtype")
"""Wrong for long sums in half precision, and in half precision alone."""


def quick(case: Reported, **dtypes: tuple[str, ...]) -> dict[str, object]:
    named = {k: case.options[k] for k in ("dims", "fixed") if k in case.options}
    letters = specified(case.inputs, (), gradients=False, **named).letters
    sizes = {letter: (n, *FEW) for letter, n in zip(letters, FIRST, strict=False)}
    return {"sizes": sizes, **dtypes, **case.options}


@pytest.mark.parametrize("name", PAIRS)
def test_the_right_twin_passes_and_the_wrong_one_fails_with_its_reason(name: str) -> None:
    right, wrong = PAIRS[name]
    report = check_function(right.function, right.reference, right.inputs, **quick(right))
    assert report.ok, str(report)
    options = wrong.options if name in WHOLE else quick(wrong, dtypes=ONE)
    report = check_function(wrong.function, wrong.reference, wrong.inputs, **options)
    assert not report.ok
    codes = {failure.code for failure in report.failures}
    assert codes & {*wrong.codes} or name in UNEXPLAINED, str(report)
