"""OPTIMIZERS and SCHEDULES: how parameters follow their gradients, and at which learning rate.

Importing this package imports neither torch nor NumPy.
"""

from handgrad.optim.gradients import Treatment
from handgrad.optim.optimizers import (
    OPTIMIZERS,
    Hyperparameters,
    Optimizer,
    Tensors,
    bias_corrections,
    is_matrix,
)
from handgrad.optim.schedules import SCHEDULES, WITH_MINIMUM, ScheduleNumbers, learning_rate

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "WITH_MINIMUM",
    "Hyperparameters",
    "Optimizer",
    "ScheduleNumbers",
    "Tensors",
    "Treatment",
    "bias_corrections",
    "is_matrix",
    "learning_rate",
]
