"""Runs that Ctrl-C, SIGTERM or kill -9 interrupts, each of them resumed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny import FLAGS, write_words

STEPS = 3_000
TIMEOUT = 60.0  # seconds; a loaded machine may take some to import torch


class Command:
    """`handgrad train` in another process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "log.txt"
        with open(self._log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "handgrad", "train", *arguments],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str) -> None:
        """Wait until `text` is printed."""
        end = time.monotonic() + TIMEOUT
        while text not in self.output:
            assert time.monotonic() < end, self.output
            assert self.process.poll() is None, self.output
            time.sleep(0.01)

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)

    @property
    def output(self) -> str:
        return self._log.read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with words.txt, and an uninterrupted run in `whole`."""
    folder = tmp_path_factory.mktemp("interrupt")
    write_words(folder)
    assert Command(folder, *flags("whole")).wait() == 0
    return folder


def flags(out: str) -> list[str]:
    every = [f"--steps={STEPS}", "--checkpoint-every=500", "--eval-every=500"]
    return ["-i", "words.txt", "-o", out, *FLAGS, *every]


def assert_resumes_to_the_same_bits(folder: Path, out: str) -> None:
    assert Command(folder, "--resume", "--out", out).wait() == 0
    models = [(folder / run / "model.safetensors").read_bytes() for run in ("whole", out)]
    assert models[0] == models[1]
    rows = [(folder / run / "metrics.csv").read_text().splitlines() for run in ("whole", out)]
    assert [line.rsplit(",", 1)[0] for line in rows[0]] == [
        line.rsplit(",", 1)[0] for line in rows[1]
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(whole: Path, number: signal.Signals) -> None:
    out = f"run-{number.name}"
    running = Command(whole, *flags(out))
    running.wait_for(" 500/")
    running.process.send_signal(number)
    assert running.wait() == 130
    last = running.output.splitlines()[-1]
    assert last.startswith("handgrad: stopped after step ")
    assert last.endswith(f" of {STEPS}; resume with: handgrad train --resume --out {out}")
    stopped_at = last.split()[4]
    assert (whole / out / f"optimizer-{stopped_at}.safetensors").exists()
    assert "Traceback" not in running.output
    if number == signal.SIGINT:  # once is enough: from here on both are the same
        assert_resumes_to_the_same_bits(whole, out)


def test_a_signal_ends_a_block_of_compiled_steps(whole: Path) -> None:
    """No Python runs within a block; a block takes a quarter of a second."""
    arguments = [*flags("compiled"), "--engine=compiled", "--steps=100000000"]
    running = Command(whole, *arguments, "--eval-every=1000", "--checkpoint-every=100000000")
    running.wait_for(" 1000/")
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 130
    last = running.output.splitlines()[-1]
    assert last.startswith("handgrad: stopped after step ")
    assert (whole / "compiled" / f"optimizer-{last.split()[4]}.safetensors").exists()


def test_killed_at_random_moments(whole: Path) -> None:
    out = "killed"
    arguments = flags(out)
    for _ in range(2):
        running = Command(whole, *arguments)
        running.wait_for("step ")
        time.sleep(random.uniform(0, 0.3))  # a moment that no test chose
        running.process.kill()
        running.wait()
        arguments = ["--resume", "--out", out]
    assert_resumes_to_the_same_bits(whole, out)


def test_a_second_signal_stops_at_once(whole: Path) -> None:
    """The loop is in a step that does not end; only the second signal stops it."""
    code = (
        "import os, signal, sys, time\n"
        "from handgrad.cli import main\n"
        "from handgrad.engine.fused import Fused\n"
        "step = Fused.loss_and_grads\n"
        "def held(self, params, state, batch):\n"
        "    if sys.argv[0] == 'hold':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    return step(self, params, state, batch)\n"
        "Fused.loss_and_grads = held\n"
        "from handgrad.training import loop\n"
        "go = loop.TrainingLoop.go\n"
        "def started(self, stop):\n"
        "    sys.argv[0] = 'hold'\n"
        "    go(self, stop)\n"
        "loop.TrainingLoop.go = started\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *flags("twice")],
        cwd=whole,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 130
    assert done.stderr == (
        "handgrad: interrupted; resume from the last checkpoint with: "
        "handgrad train --resume --out twice\n"
    )
    assert (whole / "twice" / "model.safetensors").exists()
