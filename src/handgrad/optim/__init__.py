"""OPTIMIZERS and SCHEDULES: how parameters follow their gradients, and at which learning rate.

Importing this package imports neither torch nor NumPy.
"""

from handgrad.optim.optimizers import (
    OPTIMIZERS,
    Hyperparameters,
    Optimizer,
    Tensors,
    bias_corrections,
)
from handgrad.optim.schedules import SCHEDULES

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Hyperparameters",
    "Optimizer",
    "Tensors",
    "bias_corrections",
]
