"""Threads are for large products; a model without them loads no BLAS."""

import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

from handgrad.engine.compiled.threads import blas_threads, has_large_products
from handgrad.models import MLP

WIDE = MLP(27, n_hidden=1024, n_layer=2)


def test_which_products_are_large() -> None:
    assert not has_large_products(MLP(27), 32)
    assert has_large_products(MLP(27), 4096)
    assert has_large_products(WIDE, 32)


@pytest.mark.parametrize("n", [1, 2])
def test_blas_takes_as_many_as_it_is_told(n: int) -> None:
    with blas_threads(n, WIDE, 32):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert any("scipy" in pool["filepath"] for pool in pools)
        assert {pool["num_threads"] for pool in pools} == {n}


WITHOUT_SCIPY = """\
import sys
from handgrad.engine.compiled.threads import blas_threads
from handgrad.models import MLP
with blas_threads(2, MLP(27), 32):
    assert "scipy.linalg" not in sys.modules
"""


def test_a_small_model_loads_none() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_SCIPY], check=True)
