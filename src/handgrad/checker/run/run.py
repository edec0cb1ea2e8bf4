"""`check_file`: run a notebook or a script in a child process and grade its gradients."""

import math
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from handgrad.checker.report.report import Report
from handgrad.checker.run import process
from handgrad.checker.run.cells import Source
from handgrad.checker.run.process import Child, Message, Start
from handgrad.checker.run.source import read_source
from handgrad.checker.run.wire import unpack
from handgrad.errors import CheckError, LostError, SettingsError
from handgrad.text import one_line

CHECK = "handgrad.checker.run.check_task:CheckTask"
"""The task of a check; task.py says what a task is."""
TIMEOUT = 600.0  # seconds
GRADING = 600.0  # seconds: grading takes a few times as long as the run, so only a hang reaches it
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True)
class Outcome:
    """A report, and what the file printed (without the middle if it printed very much)."""

    report: Report
    output: str


def check_file(
    file: str | Path,
    pairs: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    max_steps: int | None = None,
    whole: bool = False,
) -> Outcome:
    """Run `file` as Python would, in a child process in its own folder, and grade its gradients.

    `pairs` maps names of gradients to their tensors, for names that do not show it. `timeout` is
    in seconds. `max_steps` is the number of steps of a training loop that are recorded (2 if None);
    then the loop is left if no gradient by hand follows below it, unless `whole` is True.

    Raises CheckError, one line, if there is nothing to check or the file cannot be run, and
    SettingsError for invalid settings.
    """
    require_settings(timeout, max_steps)
    source = read_source(file)
    answer, output = run_source(
        source, CHECK, timeout, pairs=pairs, max_steps=max_steps, whole=whole
    )
    return Outcome(unpack(Report, answer["report"]), output)


def run_source(
    source: Source,
    task: str,
    timeout: float,
    *,
    pairs: Mapping[str, str] | None = None,
    max_steps: int | None = None,
    stop: threading.Event | None = None,
    start: Start | None = None,
    **more: Any,
) -> tuple[Message, str]:
    """Run `source` in a child process; return the child's answer and what the file printed.

    `task` names what the child does (task.py); `more` goes into its request. `stop` and `start`
    are those of Child. Raises CheckError if the child refuses, LostError if it dies or hangs,
    Stopped if `stop` is set meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="handgrad-") as scratch:
        request = {
            "task": task,
            "shown": source.shown,
            "path": str(source.path),
            "kind": source.kind,
            "cells": [astuple(cell) for cell in source.cells],
            "pairs": dict(pairs or {}),
            "max_steps": max_steps,
            "timeout": timeout,
            "scratch": scratch,
            **more,
        }
        with Child(request, stop, start) as child:
            answer = _answer(child, source, timeout)
        if answer["event"] == "failed":
            raise LostError(f"{source.shown}: {answer['message']}", timed_out=False)
        if answer["event"] == "refused":
            raise CheckError(answer["message"])
        return answer, child.output()


def require_settings(timeout: float, max_steps: int | None) -> None:
    """Raise SettingsError, one line, for invalid settings."""
    if not (math.isfinite(timeout) and timeout > 0):
        raise SettingsError(f"--timeout {timeout:g}: must be a number of seconds above 0")
    if max_steps is not None and max_steps < 1:
        raise SettingsError(f"--max-steps {max_steps}: must be 1 or more")


def _answer(child: Child, source: Source, timeout: float) -> Message:
    """Wait for the child's answer, and ask for it when the time is up."""
    message = child.next_message(process.STARTUP)
    if message is None:
        raise _lost(child, source, f"did not start within {process.STARTUP:g} s")
    limit = f"--timeout {timeout:g}"
    deadline = time.monotonic() + timeout
    while message["event"] in ("ready", "cell", "grading"):
        if message["event"] == "grading":
            limit = f"its limit is {GRADING:g} s"
            deadline = time.monotonic() + GRADING
        remaining = deadline - time.monotonic()
        message = child.next_message(remaining) or _last_call(child, source, limit)
    return message


def _last_call(child: Child, source: Source, limit: str) -> Message:
    """Interrupt the file's code until it ends, then wait for what can be graded."""
    end = time.monotonic() + process.GRACE
    while child.status is None and time.monotonic() < end:
        child.interrupt()
        message = child.next_message(min(1.0, process.GRACE))
        if message is not None:
            return message
    message = child.next_message(0.0)  # it may have answered and ended since the last look
    if message is not None:
        return message
    raise _lost(child, source, f"was still running {child.where} ({limit}) and did not stop")


def _lost(child: Child, source: Source, silent: str) -> LostError:
    """Return the error for a child that is dead, or `silent` where it is still alive."""
    status = child.status
    ending = silent if status is None else _death(status, child.where)
    child.kill()  # so that its output is complete
    lines = child.output().split("\n")
    last = next((line for line in reversed(lines) if line.strip()), None)
    printed = f'; its last output: "{one_line(last, 120)}"' if last else ""
    message = f"{source.shown}: Python {ending}, so nothing was graded{printed}"
    return LostError(message, timed_out=status is None)


def _death(status: int, where: str) -> str:
    if status >= 0:
        return f"exited {where} (status {status}, as from os._exit)"
    name = signal.Signals(-status).name
    if -status in CRASHES:
        return f"crashed {where} ({name})"
    memory = ", which the system sends when memory runs out" if name == "SIGKILL" else ""
    return f"was killed {where} ({name}{memory})"
