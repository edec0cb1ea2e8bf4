"""Where captured steps are tested: on the CPU with a replacement for CUDA, and on CUDA."""

import pytest
import torch

from handgrad.training.backends.graphs import CAPTURES
from recorded import recorded

ON_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=ON_CUDA)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a device on which steps of the fused engine are captured and replayed."""
    monkeypatch.setitem(CAPTURES, "cpu", recorded)
    return str(request.param)
