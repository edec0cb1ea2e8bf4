"""Every cause has cases that it explains and others that it leaves alone, and both are run."""

import importlib
import inspect

import pytest

from handgrad.checker.explain.causes import CAUSES

GOLDEN, NEAR_MISSES = 3, 2


def tables(module) -> list[list[object]]:
    """Return the tables that tests of the module are run with."""
    tests = [f for name, f in inspect.getmembers(module) if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ())]
    return [mark.args[1] for mark in marks if mark.name == "parametrize"]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.code)
def test_a_cause_has_golden_cases_and_near_misses(cause) -> None:
    module = importlib.import_module(f"checker.explain.causes.test_{cause.file}")
    run = [id(table) for table in tables(module)]
    assert id(module.CASES) in run
    assert id(module.OTHERS) in run
    assert len({repr(case) for case in module.CASES}) >= GOLDEN
    assert len({repr(case) for case in module.OTHERS}) >= NEAR_MISSES
