"""Every cause has cases that it explains and others that it leaves alone, and both are run."""

import importlib
import inspect
from pathlib import Path

import pytest

from handgrad.checker.explain import causes
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


def test_the_causes_are_found_by_walking_their_folder_and_each_has_its_place() -> None:
    files = {path.stem for path in Path(causes.__path__[0]).glob("*.py")} - {"__init__"}
    assert {cause.file for cause in CAUSES} == files
    modules = [importlib.import_module(f"{causes.__name__}.{cause.file}") for cause in CAUSES]
    places = [module.ORDER for module in modules]
    assert places == sorted(set(places))
    assert len({cause.code for cause in CAUSES}) == len(CAUSES)
