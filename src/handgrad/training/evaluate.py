"""The loss of a split, in evaluation mode; memory does not grow with the split."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from handgrad.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from handgrad.data import Dataset, Vocabulary
    from handgrad.models import Model
    from handgrad.training.state import Numbers

    Tokens = npt.NDArray[np.int64]

SAMPLE = 50_000
"""Positions of a split to evaluate during training; the final evaluation uses all of them. With a
standard deviation of about 1 nat, the standard error of a mean of 50,000 losses is below 0.005."""
CHUNK_NUMBERS = 2**22
"""Size of the widest activation of a chunk: 16 MiB in float32."""
CHUNK_ROWS = 2**14
"""Maximum number of examples in a chunk: for narrow models, positions and tokens dominate."""
STATISTICS = ("calibrated", "running")


@dataclass(frozen=True)
class SplitLoss:
    """Mean loss over `examples` characters, boundaries included."""

    nats: float
    examples: int

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / math.log(2)


class EvaluationData:
    """The examples of each split in chunks, in the model's symbols.

    A dataset of other words may number its symbols differently: they are then renumbered as in
    `vocabulary`, the model's. Raises DataError for a symbol that is not in it.
    """

    def __init__(self, dataset: "Dataset", model: "Model", vocabulary: "Vocabulary") -> None:
        import numpy as np

        self._dataset = dataset
        self._model = model
        self._padding = model.padding
        self._numbers: Tokens | None = None
        if dataset.vocabulary.symbols != vocabulary.symbols:
            numbers = vocabulary.renumbering(dataset.vocabulary, dataset.source)
            self._numbers = numbers.astype(np.int64)
            if model.padding:
                self._padding = len(numbers)  # in the dataset's numbers
                self._numbers = np.append(self._numbers, model.padding)
        width = max(model.block_size, *(max(shape) for shape in model.shapes().values()))
        self._rows = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // width))

    def chunks(self, split: str, limit: int | None = None) -> "Iterator[tuple[Tokens, ...]]":
        """Yield inputs (n, T), targets (n,) of the split, or of `limit` evenly spread positions.

        For a model on words: inputs and targets (n,), offsets, of whole words, about `limit`
        characters.
        """
        from handgrad.models import CONTEXTS

        first, end = self._dataset.splits[split]
        if self._model.batches == CONTEXTS:
            count = end - first if limit is None else min(limit, end - first)
            for nth in _spread(end - first, count, self._rows):
                yield self._renumbered(
                    *self._dataset.contexts(first + nth, self._model.block_size, self._padding)
                )
            return
        starts = self._dataset.word_starts(split)
        share = 1.0 if limit is None else min(1.0, limit / max(1, end - first))
        of_chunk = max(1, self._rows // self._model.block_size)
        for nth in _spread(len(starts), math.ceil(len(starts) * share), of_chunk):
            inputs, targets, offsets = self._dataset.packed(starts[nth], self._model.block_size)
            yield (*self._renumbered(inputs, targets), offsets)

    def inputs(self, split: str) -> "Iterator[Tokens]":
        """Yield the inputs of `chunks`, for calibration."""
        return (chunk[0] for chunk in self.chunks(split))

    def _renumbered(self, inputs: "Tokens", targets: "Tokens") -> "tuple[Tokens, Tokens]":
        if self._numbers is not None:
            return self._numbers[inputs], self._numbers[targets]
        return inputs, targets


def _spread(total: int, count: int, of_chunk: int) -> "Iterator[Tokens]":
    """Yield `count` evenly spread numbers below `total`, in arrays of `of_chunk`."""
    import numpy as np

    for start in range(0, count, of_chunk):
        nth = np.arange(start, min(start + of_chunk, count), dtype=np.int64)
        # integer arithmetic, so that every number occurs once if count is total
        yield nth * total // count


def split_loss(
    model: "Model",
    params: "Numbers",
    state: "Numbers",
    data: EvaluationData,
    split: str,
    limit: int | None = None,
) -> SplitLoss | None:
    """Return the mean loss of a split, nats per character, summed in float64; None if empty."""
    from handgrad.engine.evaluation import inference_of

    total, examples = 0.0, 0
    inference = inference_of(model, params, state)
    for chunk in data.chunks(split, limit):
        total += inference.loss_sum(*chunk)
        examples += len(chunk[1])
    return SplitLoss(total / examples, examples) if examples else None


def words_cut(model: "Model", dataset: "Dataset") -> str | None:
    """Return a line if some words are longer than the model reads, else None.

    Of `block_size` characters the first is the boundary before the word.
    """
    from handgrad.models import CONTEXTS

    if model.batches == CONTEXTS:
        return None
    n, most = dataset.n_longer(model.block_size - 1), model.block_size - 1
    words = "1 word has" if n == 1 else f"{n} words have"
    rest = f"block size {model.block_size}: {words} more than {most} characters"
    return f"{rest}; what follows is neither trained on nor counted" if n else None


def calibrated(
    model: "Model",
    params: "Numbers",
    state: "Numbers",
    data: EvaluationData,
) -> "Numbers":
    """Return `state` with batchnorm's statistics of the whole train split added."""
    if not state:
        return state
    from handgrad.engine.evaluation import inference_of

    return inference_of(model, params, state).calibrate(partial(data.inputs, "train"))


def with_statistics(model: "Model", state: "Numbers", statistics: str | None) -> "Numbers":
    """Return the state to evaluate with: "calibrated", "running", or None for the best available.

    Raises RunError if a run that has no calibrated statistics yet is asked for them.
    """
    running = {name: state[name] for name in model.state_shapes()}
    if statistics == "running" or not running:
        return running
    if len(state) == len(running) and statistics == "calibrated":
        raise RunError(
            "the run has no calibrated statistics, because it is not finished: "
            "finish it with --resume, or evaluate with --statistics running"
        )
    return state
