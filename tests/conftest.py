"""Fixtures that several folders of tests use."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from forked import FRESH, forked
from handgrad.checker.run import process
from paths import ROOT, SHARED

# Time says nothing here: a shared or busy machine would fail tests that are right.
hypothesis.settings.register_profile(
    "handgrad", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("handgrad")

# At the tests' sizes a second thread only waits, and it would be in the other worker's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# One cache of compiled kernels for all tests and the processes they start, kept between runs: a
# model's step takes seconds to compile. It is never another version's: names say what is in it.
os.environ.setdefault("HANDGRAD_CACHE", str(ROOT / ".cache" / "tests"))


@pytest.fixture(autouse=True, scope="session")
def _forked_children() -> Iterator[None]:
    """Children of `handgrad check` are forked, which spares each the import of torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "fresh", forked)
        yield


@pytest.fixture
def fresh_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of `handgrad check` start from nothing, as for a single file they do."""
    monkeypatch.setattr(process, "fresh", FRESH)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference figures, notebooks and data beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with the reference data is not here")
    return SHARED.resolve()


@pytest.fixture(scope="session")
def names_file(shared: Path) -> Path:
    """The lecture's 32,033 names, which the project does not ship."""
    path = shared / "data" / "names.txt"
    if not path.is_file():
        pytest.skip("../shared/data/names.txt is not here")
    return path
