"""Fixtures that several folders of tests use."""

import os
from pathlib import Path

import hypothesis
import pytest

# Time says nothing here: a shared or busy machine would fail tests that are right.
hypothesis.settings.register_profile(
    "handgrad", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("handgrad")

# One cache of compiled kernels for all tests and the processes they start, kept between runs: a
# model's step takes seconds to compile. It is never another version's: names say what is in it.
os.environ.setdefault("HANDGRAD_CACHE", str(Path(__file__).parents[1] / ".cache" / "tests"))

SHARED = Path(__file__).parents[1] / ".." / "shared"


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
