"""The table of our step beside torch.compile and JAX, each row measured in a child process."""

import argparse
import json
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.models.turns import numbers
from benchmarks.peers.child import run as run_child

TURNS = 3
"""Turns of each peer in a round."""
LEVEL, AHEAD = 1.05, 1.0
"""The ratio to the faster peer's time that we aim at: from n_embd WIDE on, and below."""
WIDE = 128


class Row(NamedTuple):
    """A model, the words or contexts of a batch, and the sizes that are not its defaults."""

    name: str
    batch_size: int
    sizes: tuple[str, ...] = ()

    @property
    def aim(self) -> float:
        """The highest ratio that we aim at."""
        return LEVEL if numbers(self.sizes).get("n_embd", 0) >= WIDE else AHEAD


def _square(width: int) -> tuple[str, ...]:
    return f"n_embd={width}", f"n_hidden={width}"


ROWS = (
    Row("bigram", 32),
    Row("bow", 32),
    Row("mlp", 32),
    Row("mlp", 228, ("block_size=16", "n_embd=64", "n_hidden=64", "batchnorm=0", "blank=1")),
    Row("wavenet", 32),
    *(Row("rnn", 32, _square(width)) for width in (16, 64, 128)),
    *(Row("gru", 32, _square(width)) for width in (16, 64, 128)),
    Row("lstm", 32, _square(64)),
    *(Row("transformer", 32, (f"n_embd={width}",)) for width in (16, 32, 64, 128)),
    *(Row("microgpt", 16, (f"n_embd={width}",)) for width in (16, 32, 64, 128)),
)


def table(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "CPU time of a step; the ratio is to the faster peer's time."
    yield ""
    yield "| model | batch | sizes | torch.compile, ms | JAX, ms | handgrad, ms | ratio | aim |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    absent: dict[str, str] = {}
    for row in ROWS:
        arguments = [options.data, row.name, f"{row.batch_size}", f"{TURNS * options.rounds}"]
        shown = run_child(["-m", "benchmarks.models.beside", *arguments, *row.sizes])
        taken: dict[str, list[float] | str] = json.loads(shown.splitlines()[-1])
        absent |= {peer: why for peer, why in taken.items() if isinstance(why, str)}
        yield line(row, taken)
    if absent:
        yield ""
        yield from (f"Left out: {peer}: {why}." for peer, why in absent.items())


def line(row: Row, taken: dict[str, list[float] | str]) -> str:
    """Return a row of the table: medians, and the median over turns of the ratio."""
    timed = {peer: times for peer, times in taken.items() if not isinstance(times, str)}
    medians = {peer: statistics.median(times) / 1000 for peer, times in timed.items()}
    cells = [
        f"{medians[peer]:.3f}" if peer in medians else "-"
        for peer in ("torch.compile", "JAX", "handgrad")
    ]
    ours = timed.pop("handgrad")
    ratio = "-"
    if timed:
        faster = min(timed, key=medians.__getitem__)
        ratio = f"{statistics.median(a / b for a, b in zip(ours, timed[faster], strict=True)):.2f}"
    sizes = " ".join(row.sizes)
    return (
        f"| {row.name} | {row.batch_size} | {sizes} | {' | '.join(cells)} | {ratio} | {row.aim} |"
    )
