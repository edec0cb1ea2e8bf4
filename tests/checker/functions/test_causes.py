"""Every cause is found where it applies, alone, and not for near misses; and has a page."""

import re
import textwrap

import pytest

from checker.functions.wrong import MATCH, NEAR, ONE_OF_EACH, SAYS, VARIED
from checker.functions.wrong.case import Case
from handgrad.checker.functions.causes import FUNCTION_CAUSES

MATCHES = [
    pytest.param(code, c, id=f"{code}-{i}") for code in MATCH for i, c in enumerate(MATCH[code])
]
NEARS = [pytest.param(code, c, id=f"{code}-{i}") for code in NEAR for i, c in enumerate(NEAR[code])]
RIGHT_NEAR = {  # the near misses that are right
    "HG150": [0], "HG154": [0], "HG157": [1], "HG158": [1], "HG159": [0], "HG161": [0],
    "HG163": [0], "HG164": [0], "HG165": [0], "HG166": [0], "HG167": [0], "HG168": [0],
    "HG169": [0], "HG170": [0], "HG171": [0], "HG176": [0], "HG177": [1], "HG178": [0],
    "HG179": [0], "HG181": [0, 1], "HG182": [0, 1], "HG183": [0], "HG184": [0, 1, 2, 3, 4, 5],
    "HG185": [0], "HG186": [0], "HG187": [0], "HG188": [0], "HG189": [0],
    "HG190": [0], "HG191": [0], "HG192": [0, 1], "HG193": [0],
    "HG194": [0], "HG195": [0], "HG196": [0],
}  # fmt: skip


@pytest.mark.parametrize(("code", "case"), MATCHES)
def test_a_mistake_is_one_failure_with_its_cause(code: str, case: Case) -> None:
    report = case.quick_report(*VARIED[code])
    assert [failure.code for failure in report.failures] == [code], str(report)
    if case is MATCH[code][0]:
        (failure,) = report.failures
        assert (", ".join(failure.quantities), failure.message, failure.fix) == SAYS[code]


@pytest.mark.parametrize("code", ONE_OF_EACH)
def test_a_mistake_is_one_failure_over_the_whole_grid(code: str) -> None:
    report = ONE_OF_EACH[code].report()
    assert [failure.code for failure in report.failures] == [code], str(report)


@pytest.mark.parametrize(("code", "case"), NEARS)
def test_a_near_miss_does_not_get_the_code(code: str, case: Case) -> None:
    report = case.quick_report(*VARIED[code])
    assert code not in [failure.code for failure in report.failures], str(report)
    right = NEAR[code].index(case) in RIGHT_NEAR.get(code, [])
    assert report.ok == right, str(report)


def test_every_cause_has_three_mistakes_and_two_near_misses() -> None:
    codes = [cause.code for cause in FUNCTION_CAUSES]
    assert len(set(codes)) == len(codes)
    assert sorted(codes) == sorted(MATCH) == sorted(NEAR) == sorted(SAYS)
    assert min(map(len, MATCH.values())) >= 3
    assert min(map(len, NEAR.values())) >= 2


@pytest.mark.parametrize("cause", FUNCTION_CAUSES, ids=lambda c: c.code)
def test_every_cause_has_a_page_of_four_headings(cause: object) -> None:
    page = textwrap.dedent(" " * 4 + (cause.__doc__ or ""))
    assert re.findall(r"^(\w+)$", page, re.MULTILINE) == ["What", "Why", "Wrong", "Right"]
