"""Measure a run's peak resident memory, without interpreter, libraries and data.

It is the peak of `handgrad train` in its own process, minus that of the same command with the
smallest model. Each has run once before, so that nothing is compiled, and nothing verified, which
would load torch.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path

from benchmarks.peers import child
from handgrad.data import open_dataset
from handgrad.data.sources import locate
from handgrad.engine.compiled.names import bind
from handgrad.engine.compiled.threads import has_large_products
from handgrad.models import MLP

SCRIPT = Path(__file__).parent / "resident.py"
WORDS = 4000
"""The number of names: enough to fill one chunk of an evaluation; wide models take seconds."""
MAIN = "from handgrad.cli import main; main()"
BLAS = "import scipy.linalg.cython_blas"
"""The library that large products load, so the smallest model is measured with it too."""
TIMES_PARAMETERS, TIMES_ACTIVATIONS = 6, 3


@dataclass(frozen=True)
class Size:
    """Steps of a run: enough for blocks as long as those of long runs."""

    n_hidden: int = 200
    batch_size: int = 32
    n_layer: int = 1
    optimizer: str = "sgd"
    steps: int = 10_000
    n_embd: int = 10

    @property
    def title(self) -> str:
        sizes = f"n_hidden {self.n_hidden}, batch {self.batch_size}, depth {self.n_layer}"
        return f"{sizes}, {self.optimizer}"

    def model(self, vocab_size: int) -> MLP:
        return MLP(vocab_size, n_embd=self.n_embd, n_hidden=self.n_hidden, n_layer=self.n_layer)

    @property
    def options(self) -> list[str]:
        """Options of `handgrad train`: one evaluation and one checkpoint besides the last ones."""
        named = {**asdict(self), "eval_every": self.steps, "checkpoint_every": self.steps}
        return [word for k, v in named.items() for word in (f"--{k.replace('_', '-')}", str(v))]


SIZES = (
    Size(),
    Size(batch_size=2048, steps=500),
    Size(2048, n_layer=2, steps=50),
    Size(2048, n_layer=2, steps=50, optimizer="adamw"),
)


@dataclass(frozen=True)
class Held:
    """The measurement of one size, in MB (10**6 bytes)."""

    title: str
    parameters: float
    activations: float
    """All nodes of the model for one batch."""
    measured: float
    """The peak minus that of the smallest model, median of the runs."""
    peak: float
    """The whole process, with interpreter and libraries."""

    @property
    def bound(self) -> float:
        return TIMES_PARAMETERS * self.parameters + TIMES_ACTIVATIONS * self.activations

    @property
    def ratio(self) -> float:
        return self.measured / self.bound


def compare(
    sizes: tuple[Size, ...],
    repeats: int,
    write: Path | None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Return a line for each of `sizes`. Raises RuntimeError if a run fails."""
    rows = []
    with _some_words() as words:
        vocab_size = open_dataset(words).vocabulary.size
        for size in sizes:
            say(f"{size.title}: {2 + 2 * repeats} runs")
            rows.append(_held(size, vocab_size, words, repeats))
    if write:
        content = [{**asdict(row), "bound": row.bound, "ratio": row.ratio} for row in rows]
        write.write_text(json.dumps({"repeats": repeats, "sizes": content}, indent=2) + "\n")
    return "\n".join(_lines(rows))


def _lines(rows: list[Held]) -> list[str]:
    head = ("MB of a run", "parameters", "activations", "measured", "bound", "of bound", "in all")
    lines = [f"{head[0]:44s}" + "".join(f"{name:>13s}" for name in head[1:])]
    for row in rows:
        numbers = (row.parameters, row.activations, row.measured, row.bound)
        shown = "".join(f"{number:13.2f}" for number in numbers)
        lines.append(f"{row.title:44s}{shown}{row.ratio:13.0%}{row.peak:13.1f}")
    bound = f"{TIMES_PARAMETERS} x parameters + {TIMES_ACTIVATIONS} x activations of one batch"
    return [*lines, f"measured: beyond the smallest model's run; bound: {bound}"]


def _held(size: Size, vocab_size: int, words: str, repeats: int) -> Held:
    model = size.model(vocab_size)
    start = f"{BLAS}; {MAIN}" if has_large_products(model, size.batch_size) else MAIN
    smallest = replace(size, n_hidden=2, batch_size=2, n_embd=2)
    alone = _peak(start, smallest, words, repeats)
    peak = _peak(start, size, words, repeats)
    parameters, activations = 4 * model.n_parameters, 4 * activation_numbers(model, size.batch_size)
    return Held(size.title, parameters / 1e6, activations / 1e6, (peak - alone) / 1e6, peak / 1e6)


def activation_numbers(model: MLP, batch_size: int) -> int:
    """Return the size of all nodes with a row per example, without gradients and scratch."""
    return sum(
        prod(shape)
        for one, other in zip(bind(model, batch_size), bind(model, batch_size + 1), strict=True)
        for name, shape in one.shapes.items()
        if name in one.call.nodes and shape != other.shapes[name]
    )


def _peak(start: str, size: Size, words: str, repeats: int) -> float:
    """Return the median peak in bytes of `repeats` runs, after one that compiles and verifies."""
    found = [_run(start, size, words) for _ in range(repeats + 1)]
    return statistics.median(found[1:])


def _run(start: str, size: Size, words: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return resident(
            "-c", start, "train", "--data", words, *size.options, "--out", f"{folder}/run"
        )


def resident(*arguments: str) -> float:
    """Return the peak resident memory, in bytes, of this interpreter run with `arguments`."""
    return 1024 * float(child.run([str(SCRIPT), *arguments]))


@contextmanager
def _some_words() -> Iterator[str]:
    """Write a file with some of the names and return its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.txt"
        with locate("names").open(encoding="utf-8") as names:
            path.write_text("".join(islice(names, WORDS)), encoding="utf-8")
        yield str(path)
