"""See `benchmarks.models`."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks.models import __doc__ as usage
from benchmarks.models import agreement, beside_table, sampling
from benchmarks.models.eemicrogpt import compiled, ran
from benchmarks.models.turns import in_turn, ours
from benchmarks.peers.child import held
from benchmarks.peers.child import run as run_child
from benchmarks.peers.machine import processor

WIDTHS = {16: 0.7, 32: 0.6, 64: 0.45}
"""n_embd -> the ratio to EEmicroGPT's time that we aim at."""
MAKEMORE = {"transformer": 3, "rnn": 6, "gru": 6, "mlp": 2.5, "bow": 4, "bigram": 10}
"""Model -> how many times faster than makemore.py we aim to be."""
MLP_SIZES = ("block_size=16", "n_embd=64", "n_hidden=64", "batchnorm=0", "blank=1")
RECURRENT = ("rnn", "gru")
LOSS_STEPS, LOSS_LR = 4000, 0.005
GOAL = 2.0
"""Nats per character, on val, for the time to a loss."""


def main() -> int:
    """Print the tables; return 1 if a peer that was named cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=usage)
    parser.add_argument("--data", default="makemore", help="words: names.txt's")
    parser.add_argument("--eemicrogpt", type=Path)
    parser.add_argument("--makemore", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="tables whose title contains this text")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    parts = {
        "step beside EEmicroGPT": _eemicrogpt,
        "step beside makemore.py": _makemore,
        "step beside torch.compile and JAX": beside_table.table,
        "loss beside makemore.py": _losses,
        "time to a loss": _reach,
        "words a second": sampling.table,
        "agreement": agreement.table,
    }
    lines = [f"On one core of {processor()}, {options.rounds} rounds.", ""]
    for title, part in parts.items():
        if options.only in title:
            heading = f"## {title[0].upper()}{title[1:]}"
            for line in chain((heading, ""), part(options), ("",)):
                print(line, flush=True)
                lines.append(line)
    if options.write:
        options.write.write_text("\n".join(lines))
    return 0


def _eemicrogpt(options: argparse.Namespace) -> Iterator[str]:
    if options.eemicrogpt is None:
        yield "No --eemicrogpt: left out."
        return
    yield "| n_embd | EEmicroGPT, µs | handgrad, µs | ratio | aim |"
    yield "|---:|---:|---:|---:|---:|"
    with tempfile.TemporaryDirectory() as folder:
        for width, aim in WIDTHS.items():
            program = compiled(options.eemicrogpt, Path(folder), D_MODEL=width)
            mine, other, ratio = in_turn(
                options.rounds,
                partial(ours, "microgpt", 16, options.data, f"n_embd={width}"),
                partial(_step_of, program, _words(options.data)),
            )
            yield f"| {width} | {other:.0f} | {mine:.0f} | {ratio:.2f} | {aim} |"


def _step_of(program: Path, words: Path) -> float:
    return ran(program, words).microseconds


def _makemore(options: argparse.Namespace) -> Iterator[str]:
    if options.makemore is None:
        yield "No --makemore: left out."
        return
    yield "| model | makemore.py, ms | handgrad, ms | times faster | aim |"
    yield "|---|---:|---:|---:|---:|"
    for name, aim in MAKEMORE.items():
        sizes = MLP_SIZES if name == "mlp" else ()
        # contexts of as many characters as 32 words have on average
        batch_size = 228 if name == "mlp" else 32
        mine, other, ratio = in_turn(
            options.rounds,
            partial(ours, name, batch_size, options.data, *sizes),
            partial(_theirs, options, "time", name, 150, 5e-4),
        )
        yield f"| {name} | {other / 1000:.2f} | {mine / 1000:.3f} | {1 / ratio:.1f} | {aim} |"


def _theirs(options: argparse.Namespace, what: str, name: str, steps: int, lr: float) -> float:
    arguments = ["-m", "benchmarks.models.theirs", what, str(options.makemore), options.data]
    shown = run_child([*arguments, name, "32", f"{steps}", f"{lr}"])
    return float(shown.splitlines()[-1])  # makemore.py prints its number of parameters before


def _losses(options: argparse.Namespace) -> Iterator[str]:
    if options.makemore is None:
        yield "No --makemore: left out."
        return
    yield f"Val loss after {LOSS_STEPS} steps of 32 words, AdamW, learning rate {LOSS_LR}."
    yield ""
    yield "| model | makemore.py | handgrad |"
    yield "|---|---:|---:|"
    from handgrad import runs

    for name in RECURRENT:
        theirs = _theirs(options, "loss", name, LOSS_STEPS, LOSS_LR)
        with tempfile.TemporaryDirectory() as folder:
            run = runs.train(
                options.data,
                model=name,
                out=Path(folder) / "run",
                steps=LOSS_STEPS,
                lr=LOSS_LR,
                optimizer="adamw",
                weight_decay=0.01,
                beta2=0.99,
                schedule="constant",
                progress=False,
            )
            ours = run.evaluate("val")["val"]
        yield f"| {name} | {theirs:.4f} | {ours:.4f} |"


def _reach(options: argparse.Namespace) -> Iterator[str]:
    """Time `handgrad train --preset fast` from its start to a val loss below GOAL."""
    seconds = []
    for _ in range(options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(_seconds_to_goal(options.data, Path(folder) / "run"))
    reached = [one for one in seconds[1:] if one is not None]  # the first may compile
    what = f"{statistics.median(reached):.1f} s" if reached else "not reached"
    yield f"`handgrad train --preset fast`, from its start to val below {GOAL}: {what}"
    if options.eemicrogpt is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        macros = {"D_MODEL": 32, "BATCH": 32, "LR_INIT": 0.007, "N_STEPS": 16000}
        losses = ran(
            compiled(options.eemicrogpt, Path(folder), **macros), _words(options.data)
        ).losses
    below = [at for loss, at in losses.values() if loss < GOAL]
    said = f"{min(below):.1f} s" if below else "not reached"
    yield f"EEmicroGPT, d = 32, batch 32, to a training loss below {GOAL}: {said}"


def _seconds_to_goal(data: str, out: Path) -> float | None:
    command = [sys.executable, "-m", "handgrad", "train", "--preset", "fast", "--data", data]
    began = time.perf_counter()
    with held(1):
        process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, text=True)
    reached = None
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step ") and reached is None:
            val = float(line.split("val ")[1].split()[0])
            if val < GOAL:
                reached = time.perf_counter() - began
    process.wait()
    return reached


def _words(data: str) -> Path:
    from handgrad.data.sources import locate

    return locate(data)


if __name__ == "__main__":
    sys.exit(main())
