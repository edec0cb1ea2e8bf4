"""The training step on a GPU: launched kernel by kernel, replayed as one graph, and compiled.

Times are wall time: a block of steps ends when its last loss is read. As on the CPU, every peer is
first compared with float64 autograd, and all take turns on the same batches.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.peers import compiled_torch, eager, ours, table, timing
from benchmarks.peers.timing import Measured
from benchmarks.peers.work import Build, Cell, prepare
from handgrad.data import open_dataset

REFERENCE = "lecture, eager autograd"
PEERS: dict[str, Build] = {
    REFERENCE: eager.lecture,
    "ours, fused, launched from Python": ours.engine("fused"),
    "ours, fused, replayed": ours.trained,
    "torch.compile, reduce-overhead": compiled_torch.compiled(
        compiled_torch.autograd, mode="reduce-overhead"
    ),
}
"""The data set is on the GPU for all but "replayed", which is a complete training step."""
SIZES = (Cell(), Cell(1024, 32), Cell(512, 256, 6), Cell(2048, 2048))
NOT_HERE = "no CUDA device is here: the step on a GPU is not measured"


def compare(
    cells: Sequence[Cell], seconds: float, write: Path | None, say: Callable[[str], None]
) -> str:
    """Time each cell for `seconds`; return one line if there is no GPU.

    Raises WrongPeer if a peer's step differs from float64 autograd's.
    """
    if not torch.cuda.is_available():
        return NOT_HERE
    device, found = torch.cuda.get_device_name(), measure(cells, "cuda", seconds, say)
    if write:
        content = {"device": device, "torch": torch.__version__, "cells": list(map(asdict, found))}
        write.write_text(json.dumps(content, indent=2) + "\n")
    return text(f"{device}, wall time, torch {torch.__version__}", found)


def measure(
    cells: Sequence[Cell],
    device: str,
    seconds: float,
    say: Callable[[str], None],
    peers: dict[str, Build] = PEERS,
) -> list[Measured]:
    """The peers in each cell, on `device`."""
    dataset, now = open_dataset("names"), time.perf_counter
    works = (prepare(dataset, cell, timing.MOST_STEPS, device) for cell in cells)
    return [timing.measure(work, peers, REFERENCE, seconds, now, say) for work in works]


def text(title: str, found: Sequence[Measured]) -> str:
    """For a terminal."""
    return "\n\n".join([title, *map(_cell, found)])


def _cell(measured: Measured) -> str:
    rows: list[table.Row] = [("peer", "us a step", "times faster", "quartiles")]
    for name, timed in measured.timed.items():
        quartiles = f"{timed.low:.2f} to {timed.high:.2f}"
        row = (name, f"{timed.microseconds:.4g}", f"{timed.times_faster:.2f}", quartiles)
        rows.append(row)
    absent = [f"left out: {name}: {reason}" for name, reason in measured.absent.items()]
    return "\n".join([measured.title, table.columns(rows), *absent])
