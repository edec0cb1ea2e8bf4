"""`handgrad verify`: our layers and models, verified against autograd and float64."""

from handgrad.verify.judged import JudgedGradient
from handgrad.verify.run import DTYPES, verify_batch, verify_layers, verify_models

__all__ = ["DTYPES", "JudgedGradient", "verify_batch", "verify_layers", "verify_models"]
