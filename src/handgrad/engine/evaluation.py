"""The inference of a model by the kind of its numbers."""

from typing import Any

import numpy as np

from handgrad.engine.inference import Inference
from handgrad.models import Model


def inference_of(
    model: Model, params: dict[str, Any], state: dict[str, Any], rows: int | None = None
) -> Inference:
    """Return compiled kernels if `params` are arrays, torch if they are tensors.

    Kernels compute `rows` rows at a time; None is a number that suits long inputs.
    """
    if isinstance(next(iter(params.values())), np.ndarray):
        from handgrad.engine.compiled.inference import CompiledInference

        return CompiledInference(model, params, state, rows)
    from handgrad.engine.torch_inference import TorchInference

    return TorchInference(model, params, state)
