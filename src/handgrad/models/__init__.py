"""MODELS: name -> model, a frozen dataclass of its sizes. Nothing here imports torch."""

from handgrad.models.call import LayerCall, Model
from handgrad.models.initialise import INITIALISATIONS
from handgrad.models.mlp import MLP

__all__ = ["INITIALISATIONS", "MLP", "MODELS", "LayerCall", "Model"]

MODELS: dict[str, type[MLP]] = {"mlp": MLP}
