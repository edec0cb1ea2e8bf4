"""MODELS: name -> model, a frozen dataclass of its sizes. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from handgrad.errors import SettingsError
from handgrad.models.call import (
    BATCH,
    CONTEXTS,
    WORDS,
    LayerCall,
    Model,
    is_random,
    with_attributes,
)
from handgrad.models.counts import BagOfWords, Bigram
from handgrad.models.initialise import INITIALISATIONS
from handgrad.models.mlp import MLP
from handgrad.models.recurrent import GRU, LSTM, RNN
from handgrad.models.transformer import MicroGPT, Transformer
from handgrad.models.wavenet import WaveNet

__all__ = [
    "BATCH",
    "CONTEXTS",
    "GRU",
    "INITIALISATIONS",
    "LSTM",
    "MLP",
    "MODELS",
    "RNN",
    "SIZES",
    "WORDS",
    "BagOfWords",
    "Bigram",
    "LayerCall",
    "MicroGPT",
    "Model",
    "Transformer",
    "WaveNet",
    "default_settings",
    "is_random",
    "make_model",
    "reads_to_the_longest",
    "sizes_of",
    "with_attributes",
]

MODELS: dict[str, Any] = {
    "mlp": MLP,
    "bigram": Bigram,
    "bow": BagOfWords,
    "wavenet": WaveNet,
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    "transformer": Transformer,
    "microgpt": MicroGPT,
}

SIZES = frozenset(one.name for kind in MODELS.values() for one in fields(kind)) - {"vocab_size"}
"""The names of all sizes and switches of models; not every model has each."""


def default_settings(name: str) -> Mapping[str, Any]:
    """Return the training settings that a model prefers. Raises SettingsError for an unknown name.

    What is not in it has the default of TrainSettings.
    """
    return getattr(_known(name), "settings", {})


def reads_to_the_longest(name: str, sizes: Mapping[str, Any]) -> bool:
    """Return whether `make_model` uses the length of the longest word: finding it is a scan."""
    return _known(name).batches == WORDS and "block_size" not in sizes


def make_model(name: str, vocab_size: int, longest: int, sizes: Mapping[str, Any]) -> Model:
    """Return a model of `sizes`, for words of at most `longest` characters.

    A model on words reads the longest word and its boundary, unless block_size is given. Raises
    SettingsError for an unknown name, a size that the model does not have, or an invalid one.
    """
    kind, has = _known(name), sizes_of(name)
    for size in sizes:
        if size not in has:
            raise SettingsError(f"model {name} has no {size}; it has {', '.join(has)}")
    own = {"block_size": longest + 1} if reads_to_the_longest(name, sizes) else {}
    model: Model = kind(vocab_size=vocab_size, **own, **sizes)
    return model


def sizes_of(name: str) -> list[str]:
    """Return the names of a model's sizes and switches. Raises SettingsError for an unknown one."""
    return [one.name for one in fields(_known(name)) if one.name != "vocab_size"]


def _known(name: str) -> Any:
    if name not in MODELS:
        raise SettingsError(f"unknown model {name}; known: {', '.join(MODELS)}")
    return MODELS[name]
