"""`handgrad verify`: our own layers and models, held to autograd and to float64 by the checker."""

from handgrad.verify.judged import Judged
from handgrad.verify.run import DTYPES, verify_batch, verify_layers, verify_models

__all__ = ["DTYPES", "Judged", "verify_batch", "verify_layers", "verify_models"]
