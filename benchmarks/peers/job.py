"""Time the whole job, from the start of a process to its samples: handgrad and a plain script."""

import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers import child
from handgrad.data.sources import locate
from handgrad.processors import available

SCRIPT = Path(__file__).parent / "lecture_script.py"


@dataclass(frozen=True)
class Spent:
    """Wall time and CPU time of one process, in seconds."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Job:
    """Both sides on one core, in turn, and ours on all cores. Cold runs start with empty caches."""

    cores: int
    """The number of cores of the machine."""
    cold: Spent
    taken: list[tuple[Spent, Spent]]
    """(ours, the lecture's script)."""
    cold_on_all: Spent
    on_all: list[Spent]


def compare(steps: int, engine: str | None, repeats: int, write: Path | None) -> str:
    """Run both in turn on one core, then ours on all cores, `repeats` times each.

    Before each part, ours runs once with empty caches. Raises RuntimeError with the process's last
    line if one fails.
    """
    cores = available()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as all_of_them:
        words = str(locate("names"))
        cold = _ours(steps, engine, one, 1)
        taken = [
            (_ours(steps, engine, one, 1), _run([str(SCRIPT), words, str(steps)], {}, 1))
            for _ in range(repeats)
        ]
        cold_on_all, *on_all = (
            _ours(steps, engine, all_of_them, cores) for _ in range(1 + repeats)
        )
    job = Job(cores, cold, taken, cold_on_all, on_all)
    if write:
        write.write_text(json.dumps(_content(steps, engine, job), indent=2) + "\n")
    return "\n".join(_lines(steps, engine, job))


def _content(steps: int, engine: str | None, job: Job) -> dict[str, object]:
    rows = [{"ours": asdict(own), "lecture": asdict(other)} for own, other in job.taken]
    return {"steps": steps, "engine": engine, **asdict(job), "taken": rows}


def _lines(steps: int, engine: str | None, job: Job) -> list[str]:
    ours, theirs = ([pair[i] for pair in job.taken] for i in (0, 1))
    rows = {
        "one core: the lecture's script": theirs,
        f"one core: handgrad train, {engine or 'its default engine'}": ours,
        "one core: the same with empty caches": [job.cold],
        f"all cores, {job.cores}: the same with filled caches": job.on_all,
        f"all cores, {job.cores}: the same with empty caches": [job.cold_on_all],
    }
    lines = [f"{f'{steps} steps, process start to samples':50s}  wall s        CPU s"]
    for name, spent in rows.items():
        wall = statistics.median(one.wall for one in spent)
        processor = statistics.median(one.processor for one in spent)
        lines.append(f"{name:50s} {wall:7.1f} {processor:12.1f}")
    ratio = statistics.median(other.processor / own.processor for own, other in job.taken)
    return [
        *lines,
        f"times faster on one core, by CPU time, median of {len(job.taken)}: {ratio:.2f}",
    ]


def _ours(steps: int, engine: str | None, folder: str, cores: int) -> Spent:
    """Run handgrad with its caches under `folder`, so that a cold start is cold."""
    environment = {
        "XDG_CACHE_HOME": f"{folder}/cache",
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "HANDGRAD_CACHE": f"{folder}/handgrad",
    }
    command = ["-m", "handgrad", "train", "--data", "names", "--steps", str(steps)]
    command += ["--engine", engine] if engine else []
    with tempfile.TemporaryDirectory() as out:
        return _run([*command, "--out", f"{out}/run"], environment, cores)


def _run(arguments: list[str], environment: dict[str, str], cores: int) -> Spent:
    """Run this interpreter with `arguments` on `cores` cores."""
    before, start = os.times(), time.perf_counter()
    child.run(arguments, {**os.environ, **environment}, cores)
    wall, after = time.perf_counter() - start, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])  # of finished children
    return Spent(wall, processor)
