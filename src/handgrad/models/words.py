"""What models on whole words share: the sizes that all have, and the loss.

A batch is the characters of whole words end to end: inputs and targets (N,), offsets (B + 1,).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from handgrad.errors import SettingsError
from handgrad.models.call import WORDS, LayerCall
from handgrad.models.parameters import Parametrised
from handgrad.models.shared_calls import loss_call


@dataclass(frozen=True)
class WordModel(Parametrised):
    """Base of models on words. Raises SettingsError for an invalid size."""

    vocab_size: int
    block_size: int = 16
    """The most characters of a word that are read, its boundary included."""

    batches: ClassVar[str] = WORDS
    least: ClassVar[Mapping[str, int]] = {}
    """Minimum of a size where it is not 1."""
    min_batch_size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        sizes = {one.name: self.least.get(one.name, 1) for one in fields(self) if one.type is int}
        self.check_sizes(**sizes)
        dropout = getattr(self, "dropout", 0.0)
        if not 0 <= dropout < 1:
            raise SettingsError(f"dropout must be at least 0 and below 1, got {dropout}")

    def hidden_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to the logits."""
        raise NotImplementedError

    def calls(self) -> tuple[LayerCall, ...]:
        """Return the layer calls from the batch to the loss."""
        return (*self.hidden_calls(), loss_call())
