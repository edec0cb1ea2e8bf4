"""The whole job, from the start of a process to its samples: handgrad beside a plain script."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from handgrad.data.sources import locate

SCRIPT = Path(__file__).parent / "lecture_script.py"


@dataclass(frozen=True)
class Spent:
    """Seconds of one process."""

    wall: float
    processor: float


def compare(steps: int, engine: str | None, repeats: int, write: Path | None) -> str:
    """Both in turn on one core, `repeats` times; before that ours once with its caches empty.

    Raises RuntimeError with the process's last line where one fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        # caches of our own: the cold start is cold, and nobody's cache is touched or relied on
        environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        environment |= {
            "NUMBA_CACHE_DIR": f"{folder}/numba",
            "HANDGRAD_CACHE": f"{folder}/handgrad",
        }
        words = str(locate("names"))
        runs = iter(range(repeats + 1))

        def ours() -> Spent:
            command = ["-m", "handgrad", "train", "--data", "names", "--steps", str(steps)]
            command += ["--engine", engine] if engine else []
            return _run([*command, "--out", f"{folder}/run-{next(runs)}"], environment)

        cold = ours()
        taken = [
            (ours(), _run([str(SCRIPT), words, str(steps)], environment)) for _ in range(repeats)
        ]
    if write:
        rows = [{"ours": asdict(own), "lecture": asdict(other)} for own, other in taken]
        content = {"steps": steps, "engine": engine, "cold": asdict(cold), "runs": rows}
        write.write_text(json.dumps(content, indent=2) + "\n")
    return "\n".join(_lines(steps, engine, cold, taken))


def _lines(
    steps: int, engine: str | None, cold: Spent, taken: list[tuple[Spent, Spent]]
) -> list[str]:
    ours, theirs = ([pair[i] for pair in taken] for i in (0, 1))
    rows = {
        "the lecture's script": theirs,
        f"handgrad train, {engine or 'its default engine'}": ours,
        "the same with empty caches": [cold],
    }
    lines = [f"{f'{steps} steps, process start to samples, one core':50s}  wall s  processor s"]
    for name, spent in rows.items():
        wall = statistics.median(one.wall for one in spent)
        processor = statistics.median(one.processor for one in spent)
        lines.append(f"{name:50s} {wall:7.1f} {processor:12.1f}")
    ratio = statistics.median(other.processor / own.processor for own, other in taken)
    return [*lines, f"times faster, by processor time, median of {len(taken)}: {ratio:.2f}"]


def _run(arguments: list[str], environment: dict[str, str]) -> Spent:
    """Run this interpreter with `arguments` on one core."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=_one_core if hasattr(os, "sched_setaffinity") else None,
    )
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}: {said[-1]}")
    processor = sum(after[2:4]) - sum(before[2:4])  # of children that have ended
    return Spent(wall, processor)


def _one_core() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
