"""What is cached: machine code, marks of what was verified, tokens; each truncated and flipped."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.torture.folders import FLIPS, TRAIN, clear
from benchmarks.torture.trial import Tally, command, copied, forked
from handgrad.data import dataset, open_dataset
from handgrad.engine.compiled.build import build

SOURCE = '''"""A tiny step."""

from handgrad.kernels.jit import cached


@cached
def steps(x):
    return x + 1
'''
WHOLE_RUNS = 3
"""Damaged caches with which the command itself is run: it compiles for seconds."""


def machine_code(folder: Path) -> Tally:
    """Load a tiny function from a damaged cache: it is compiled again, with one line."""

    def task() -> int:
        build.cache_clear()
        return 0 if build(SOURCE, "float32")(1) == 2 else 3

    return _damaged(folder, "machine code", task)


def tokens(folder: Path) -> Tally:
    """Open a data set from a damaged token file: it is built again, with one line."""
    expected = open_dataset(str(folder / "words.txt")).tokens.tobytes()

    def task() -> int:
        dataset.LARGE_BYTES = 0
        opened = open_dataset(str(folder / "words.txt"))
        return 0 if opened.tokens.tobytes() == expected else 3

    return _damaged(folder, "tokens", task)


def whole_runs(folder: Path) -> Tally:
    """Train with the command while files of its cache are damaged, one after another."""
    tally = Tally("training with a damaged kernel or mark")
    cache, whole = folder / "cache", folder / "whole"
    kept = copied(cache, folder / "kept cache")
    draw = random.Random(2)
    for path in sorted((kept / "kernels").iterdir()):
        for nth, damaged in enumerate(_ways(path.read_bytes(), draw, WHOLE_RUNS)):
            copied(kept, cache)
            (cache / "kernels" / path.name).write_bytes(damaged)
            clear(folder / "run")
            arguments = [*TRAIN, "--steps=40"]
            outcome = command(folder, *arguments, before=build.cache_clear)
            made = folder / "run" / "model.safetensors"
            same = made.exists() and (
                made.read_bytes() == (whole / "model.safetensors").read_bytes()
            )
            said = outcome.err.count("\n") == 1 and " is damaged: discarded, and " in outcome.err
            tally.count(f"{path.name}, way {nth}", outcome, same and said, may_refuse=False)
    copied(kept, cache)
    return tally


def _damaged(folder: Path, name: str, task: Callable[[], int]) -> Tally:
    """Run `task` in a cache folder of its own whose only file is damaged in every way."""
    tally = Tally(f"damaged {name} in the cache")
    cache = folder / f"cache of {name}"

    def here() -> None:
        os.environ["HANDGRAD_CACHE"] = str(cache)

    assert forked(folder, task, here).code == 0
    (path,) = (path for path in cache.rglob("*") if path.is_file())
    content, draw = path.read_bytes(), random.Random(3)
    for nth, damaged in enumerate(_ways(content, draw, FLIPS // 2)):
        path.write_bytes(damaged)
        outcome = forked(folder, task, here)
        said = outcome.err.count("\n") == 1 and " is damaged: discarded, and " in outcome.err
        whole = path.exists() and forked(folder, task, here).err == ""  # and the next is silent
        tally.count(f"{name}, way {nth}", outcome, said and whole, may_refuse=False)
    return tally


def _ways(content: bytes, draw: random.Random, number: int) -> Iterator[bytes]:
    """Yield a truncation and a flipped bit in turn."""
    for nth in range(number):
        if nth % 2 == 0:
            yield content[: len(content) * nth // number]
            continue
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        yield bytes(flipped)
