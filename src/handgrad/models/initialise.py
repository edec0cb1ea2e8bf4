"""INITIALISATIONS: name -> how a model's parameters start.

The first four are the rows of the lecture's table: each corrects a fault of the previous one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.float32]]
Draw = Callable[[tuple[int, ...]], npt.NDArray[np.float32]]
"""Draws standard normal numbers of a shape; called once per parameter, in order of `shapes()`."""

TANH_GAIN = 5 / 3  # He et al. 2015, arXiv:1502.01852, with PyTorch's gain for tanh


@dataclass(frozen=True)
class Initialisation:
    """Standard deviations; `hidden_by_fan_in` divides that of hidden weights by sqrt(fan_in)."""

    hidden_weight: float
    hidden_by_fan_in: bool
    hidden_bias: float
    output_weight: float
    output_bias: float
    bngain: float = 0.0
    """Around a mean of 1."""
    bnbias: float = 0.0


INITIALISATIONS: dict[str, Initialisation] = {
    "original": Initialisation(1.0, False, 1.0, 1.0, 1.0),
    "softmax_not_confidently_wrong": Initialisation(1.0, False, 1.0, 0.01, 0.0),
    "tanh_not_saturated": Initialisation(TANH_GAIN, True, 0.01, 0.01, 0.0),
    "batchnorm": Initialisation(TANH_GAIN, True, 0.01, 0.01, 0.0),
    # nothing is zero or constant, because that could hide a mistake in a backward pass
    "exercise": Initialisation(TANH_GAIN, True, 0.1, 0.1, 0.1, 0.1, 0.1),
}


def philox_draw(seed: int) -> Draw:
    """Return draws that depend on `seed` alone.

    The top word of the counter separates them from the stream of the batches.
    """
    key = seed % 2**128
    generator = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, 1]))
    return lambda shape: generator.standard_normal(shape, dtype=np.float32)


def draw_parameters(
    shapes: dict[str, tuple[int, ...]], roles: dict[str, str], init: Initialisation, draw: Draw
) -> Arrays:
    """Return one float32 array per name; `roles` maps each name to a key of `_START`.

    A standard deviation of 0 draws numbers too, so the stream does not depend on the table.
    """
    return {name: _START[roles[name]](draw(shape), init) for name, shape in shapes.items()}


def _hidden_weight(z: npt.NDArray[np.float32], init: Initialisation) -> npt.NDArray[np.float32]:
    fan_in = z.shape[0] if init.hidden_by_fan_in else 1
    return (z * np.float32(init.hidden_weight / fan_in**0.5)).astype(np.float32)


def _scaled(z: npt.NDArray[np.float32], scale: float) -> npt.NDArray[np.float32]:
    return z * np.float32(scale)


_START: dict[str, Callable[[npt.NDArray[np.float32], Initialisation], npt.NDArray[np.float32]]] = {
    "embedding": lambda z, init: z,
    "hidden_weight": _hidden_weight,
    "hidden_bias": lambda z, init: _scaled(z, init.hidden_bias),
    "output_weight": lambda z, init: _scaled(z, init.output_weight),
    "output_bias": lambda z, init: _scaled(z, init.output_bias),
    "bngain": lambda z, init: _scaled(z, init.bngain) + np.float32(1),
    "bnbias": lambda z, init: _scaled(z, init.bnbias),
}
