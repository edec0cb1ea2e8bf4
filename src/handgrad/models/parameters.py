"""Parameters as data: a name, a shape and the distribution that it starts from."""

from math import prod
from typing import ClassVar, NamedTuple

import numpy as np

from handgrad.errors import SettingsError
from handgrad.models.initialise import Arrays, Draw, philox_draw

EXERCISE = 0.1
"""Least standard deviation of the initialisation "exercise": nothing is zero or constant, because
that could hide a mistake in a backward pass."""


class Parameter(NamedTuple):
    """A parameter's shape, and the normal distribution that it starts from."""

    shape: tuple[int, ...]
    std: float
    mean: float = 0.0


Parameters = dict[str, Parameter]


def linear_parameters(
    name: str, fan_in: int, fan_out: int, *, bias: bool = True, std: float | None = None
) -> Parameters:
    """Return W and b of a linear layer; without `std`, as wide as PyTorch's uniform start."""
    std = (3 * fan_in) ** -0.5 if std is None else std
    weight = {f"W{name}": Parameter((fan_in, fan_out), std)}
    return weight | {f"b{name}": Parameter((fan_out,), std)} if bias else weight


class Sized:
    """Base of all models: what follows from their sizes."""

    initialisations: ClassVar[tuple[str, ...]]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the parameters, in draw order."""
        raise NotImplementedError

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the numbers that layers keep besides; none by default."""
        return {}

    @property
    def n_parameters(self) -> int:
        """The number of parameters, as scalars."""
        return sum(prod(shape) for shape in self.shapes().values())

    def starting_state(self) -> Arrays:
        """Return the state before the first step, float32: means 0, variances 1."""
        return {
            name: np.full(shape, float(name.startswith("bnvar")), np.float32)
            for name, shape in self.state_shapes().items()
        }

    def check_init(self, init: str) -> None:
        """Raise SettingsError for an initialisation that the model does not have."""
        if init not in self.initialisations:
            known = ", ".join(self.initialisations)
            raise SettingsError(f"unknown initialisation {init!r}; known: {known}")

    def check_sizes(self, **at_least: int) -> None:
        """Raise SettingsError for a size below its minimum."""
        for size, minimum in at_least.items():
            if getattr(self, size) < minimum:
                raise SettingsError(f"{size} must be at least {minimum}, got {getattr(self, size)}")


def check_momentum(momentum: float) -> None:
    """Raise SettingsError unless `momentum` is a batch's weight: above 0, at most 1."""
    if not 0 < momentum <= 1:
        raise SettingsError(f"momentum must be above 0 and at most 1, got {momentum}")


class Parametrised(Sized):
    """Base of models that list their parameters."""

    initialisations: ClassVar[tuple[str, ...]] = ("normal", "exercise")
    default_init: ClassVar[str] = "normal"
    padding: ClassVar[int] = 0

    def parameters(self) -> Parameters:
        """Return the parameters in draw order."""
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the parameters, in draw order."""
        return {name: one.shape for name, one in self.parameters().items()}

    def initialise(
        self, init: str = "normal", seed: int = 0, draw: Draw | None = None
    ) -> tuple[Arrays, Arrays]:
        """Return (params, state), float32, from `seed` or from `draw`.

        Raises SettingsError for an unknown name.
        """
        self.check_init(init)
        draw = draw or philox_draw(seed)
        params = {}
        for name, one in self.parameters().items():
            std = max(one.std, EXERCISE) if init == "exercise" else one.std
            params[name] = draw(one.shape) * np.float32(std) + np.float32(one.mean)
        return params, self.starting_state()
