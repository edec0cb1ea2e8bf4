"""Time the training step beside its peers, which take turns on the same batches.

    python -m benchmarks.peers [--seconds 20] [--threads 2] [--sweep] [--only TEXT] [--without TEXT]
                               [--json FILE] [--markdown FILE] [--picture FILE]
    python -m benchmarks.peers --after [--seconds 20] [--json FILE]
    python -m benchmarks.peers --memory [--repeats 3] [--json FILE]
    python -m benchmarks.peers --job [--steps 20000] [--engine NAME] [--repeats 3] [--json FILE]
    python -m benchmarks.peers --cuda [--seconds 20] [--json FILE]

Every peer is first compared with float64 autograd. A step is everything that the loop does: gather
the batch, forward, backward, update, running statistics. A peer that cannot run on this machine is
left out, with the reason. Ctrl-C ends a sweep and keeps the cells measured so far. `--after` times
what follows training: the losses of all splits and samples. `--memory` compares a run's peak with a
bound, `--job` times a whole run, `--cuda` times the step on a GPU.
"""

import argparse
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.peers import (
    PEERS,
    REFERENCE,
    after,
    cuda,
    job,
    machine,
    memory,
    picture,
    table,
    timing,
)
from benchmarks.peers.work import Cell, WrongPeer, prepare
from handgrad.data import open_dataset

DEPTH_ONE = [(h, b, 1) for b in (32, 256, 2048) for h in (64, 200, 512, 1024, 2048)]
DEPTH_SIX = [(h, b, 6) for b in (32, 256) for h in (64, 200, 512, 1024)]


def main() -> int:
    arguments = _arguments()
    chosen = [name for name in BESIDE if getattr(arguments, name)]
    try:
        if chosen:
            print(BESIDE[chosen[0]](arguments))
        else:
            _steps(arguments)
    except KeyboardInterrupt:
        return 130
    except WrongPeer as wrong:
        print(f"not timed, because a peer is wrong: {wrong}", file=sys.stderr)
        return 1
    except RuntimeError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _after(arguments: argparse.Namespace) -> str:
    machine.hold(1)
    dataset = open_dataset("names")
    return after.compare(dataset, arguments.seconds, machine.clock(1), arguments.json)


def _memory(arguments: argparse.Namespace) -> str:
    return memory.compare(memory.SIZES, arguments.repeats, arguments.json, _say)


def _job(arguments: argparse.Namespace) -> str:
    return job.compare(arguments.steps, arguments.engine, arguments.repeats, arguments.json)


def _cuda(arguments: argparse.Namespace) -> str:
    return cuda.compare(cuda.SIZES, arguments.seconds, arguments.json, _say)


BESIDE = {"after": _after, "memory": _memory, "job": _job, "cuda": _cuda}
"""Other measurements, by the name of the option. Each returns a text to print."""


def _steps(arguments: argparse.Namespace) -> None:
    machine.hold(arguments.threads)  # before any peer starts its thread pool
    session = _session(arguments)
    print(table.text(session), end="")
    if arguments.json:
        arguments.json.write_text(json.dumps(session.to_json(), indent=2) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(table.markdown(session))
    if arguments.picture:
        picture.draw(session, arguments.picture)


def _session(arguments: argparse.Namespace) -> table.Session:
    chosen = {
        name: build
        for name, build in PEERS.items()
        if name == REFERENCE
        or (
            (not arguments.only or any(text in name for text in arguments.only))
            and not any(text in name for text in arguments.without)
        )
    }
    sizes = [*DEPTH_ONE, *DEPTH_SIX] if arguments.sweep else [(200, 32, 1)]
    name, now = machine.clock(arguments.threads)
    dataset, cells = open_dataset("names"), []
    load = machine.load()
    try:
        for size in sizes:
            work = prepare(dataset, Cell(*size), timing.MOST_STEPS)
            seconds, threads = arguments.seconds, arguments.threads
            cells.append(timing.measure(work, chosen, REFERENCE, seconds, now, _say, threads))
    except KeyboardInterrupt:
        if not cells:
            raise
        _say(f"stopped: {len(cells)} of {len(sizes)} cells measured")
    versions = {package: _version(package) for package in ("torch", "jax", "numba")}
    peak = machine.gemm_peak(now)
    return table.Session(
        f"{machine.processor()}, {load}",
        arguments.threads,
        name,
        peak,
        {package: found for package, found in versions.items() if found},
        tuple(cells),
    )


def _say(what: str) -> None:
    """Print progress on standard error: compiling a peer takes minutes on a slow machine."""
    print(f"... {what}", file=sys.stderr)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument(
        "--seconds", type=float, default=20, help="seconds per cell, or per task of --after"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="number of threads and of cores to use"
    )
    parser.add_argument(
        "--sweep", action="store_true", help="several widths, batch sizes and depths"
    )
    parser.add_argument(
        "--only", action="append", default=[], help="only peers with this in the name"
    )
    parser.add_argument(
        "--without", action="append", default=[], help="no peers with this in the name"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--picture", type=Path)
    beside = parser.add_mutually_exclusive_group()
    beside.add_argument("--after", action="store_true", help="time evaluation and sampling")
    beside.add_argument("--memory", action="store_true", help="a run's peak memory")
    beside.add_argument("--job", action="store_true", help="time a whole run")
    beside.add_argument("--cuda", action="store_true", help="time the step on a GPU")
    parser.add_argument("--steps", type=int, default=20_000, help="steps of --job")
    parser.add_argument("--engine", help="engine of --job")
    parser.add_argument("--repeats", type=int, default=3, help="runs of --job or --memory")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
