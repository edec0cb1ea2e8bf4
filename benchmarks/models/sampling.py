"""Words a second that a run of each model samples: `sampling.py WORDS MODEL` prints them.

Each model has its default sizes and is trained for TRAINED steps, so that its words are about as
long as those of a trained one.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.child import run as run_child
from handgrad import runs
from handgrad.models import MODELS

TRAINED, WORDS, AIM = 2000, 2048, 1000


def table(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"`run.sample({WORDS})` after {TRAINED:,} steps, on one core."
    yield ""
    yield "| model | words a second | characters a word | aim |"
    yield "|---|---:|---:|---:|"
    for name in MODELS:
        shown = run_child(["-m", "benchmarks.models.sampling", options.data, name])
        speed, length = map(float, shown.split())
        yield f"| {name} | {speed:,.0f} | {length:.1f} | more than {AIM:,} |"


def measured(source: str, name: str, trained: int = TRAINED) -> tuple[float, float]:
    """Return words a second of CPU time, and characters a word."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings: dict[str, Any] = {"optimizer": "adamw", "lr": 0.002, "schedule": "constant"}
        run = runs.train(
            source, model=name, out=out, steps=trained, progress=False, threads=1, **settings
        )
        run.sample(1)  # compiles, or loads what is compiled
        start = time.process_time()
        words = run.sample(WORDS)
        seconds = time.process_time() - start
    return WORDS / seconds, sum(map(len, words)) / WORDS


if __name__ == "__main__":
    print(*measured(sys.argv[1], sys.argv[2]))
