"""Threads where they help: in large products, by BLAS. All other kernels use one."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from handgrad.engine.compiled.inference_source import ROWS
from handgrad.kernels.product import LARGE
from handgrad.models import Model


def has_large_products(model: Model, batch_size: int) -> bool:
    """Whether a step or an evaluation of `model` has products that BLAS does."""
    largest = max(prod(shape) for shape in model.shapes().values() if len(shape) > 1)
    return max(batch_size, ROWS) * largest >= LARGE


@contextmanager
def blas_threads(n: int, model: Model, batch_size: int) -> Iterator[None]:
    """`n` threads for the large products of `model`, within it; SciPy is loaded if there are any.

    A BLAS takes as many as there are processors where it is not told.
    """
    if not has_large_products(model, batch_size):
        yield
        return
    import scipy.linalg.cython_blas  # noqa: F401  # what is not loaded is not told
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n, user_api="blas"):
        yield
