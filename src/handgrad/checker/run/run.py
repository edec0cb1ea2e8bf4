"""`check_file`: a notebook or a script is run in a child process and its gradients are graded."""

import math
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from handgrad.checker.records import Report
from handgrad.checker.run import process
from handgrad.checker.run.process import Child, Event, Start
from handgrad.checker.run.source import Source, read_source
from handgrad.checker.run.wire import unpack
from handgrad.errors import CheckError, LostError, SettingsError
from handgrad.text import one_line

TIMEOUT = 600.0  # seconds
GRADING = 600.0  # seconds: replays cost a small multiple of the run, so this is for hangs of ours
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True)
class Outcome:
    """A report, and what the file printed meanwhile (the middle of a flood left out)."""

    report: Report
    output: str


def check_file(
    file: str | Path,
    pairs: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    max_steps: int | None = None,
) -> Outcome:
    """Run `file` as Python would, in a child process in its own folder, and grade its gradients.

    `pairs` maps names of gradients to the tensors they belong to, beside those that the names
    show; `timeout` is in seconds; `max_steps` bounds how many steps of a loop are recorded.
    Raises CheckError, one line, where there is nothing to check or the file cannot be run, and
    SettingsError for settings that cannot work.
    """
    require_settings(timeout, max_steps)
    settings = {"pairs": dict(pairs or {}), "max_steps": max_steps, "timeout": timeout}
    answer, output = asked(read_source(file), settings)
    return Outcome(unpack(answer["report"]), output)


def asked(
    source: Source,
    settings: Mapping[str, Any],
    stop: threading.Event | None = None,
    start: Start | None = None,
) -> tuple[Event, str]:
    """Return what a child that has run `source` answers, and what the file printed.

    `settings` are the rest of the request: pairs, max_steps, timeout, and the task where it is
    another than the check. Raises CheckError where the child refuses, LostError where it is lost,
    Stopped where `stop` is set meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="handgrad-") as scratch:
        request = {**_described(source), **settings, "scratch": scratch}
        with Child(request, stop, start) as child:
            answer = _answer(child, source, settings["timeout"])
        if answer["event"] == "failed":
            raise LostError(f"{source.shown}: {answer['message']}", timed_out=False)
        if answer["event"] == "refused":
            raise CheckError(answer["message"])
        return answer, child.output()


def _described(source: Source) -> dict[str, Any]:
    """`source` for the child, which reads no file of the user's by itself."""
    return {
        "shown": source.shown,
        "path": str(source.path),
        "kind": source.kind,
        "cells": [astuple(cell) for cell in source.cells],
    }


def require_settings(timeout: float, max_steps: int | None) -> None:
    """Raise SettingsError, one line, for settings that cannot work."""
    if not (math.isfinite(timeout) and timeout > 0):
        raise SettingsError(f"--timeout {timeout:g}: must be a number of seconds above 0")
    if max_steps is not None and max_steps < 1:
        raise SettingsError(f"--max-steps {max_steps}: must be 1 or more")


def _answer(child: Child, source: Source, timeout: float) -> Event:
    """Wait for the child's last word; in time, or asked for it when the time is up."""
    event = child.next_event(process.STARTUP)
    if event is None:
        raise _lost(child, source, f"did not start within {process.STARTUP:g} s")
    limit = f"--timeout {timeout:g}"
    deadline = time.monotonic() + timeout
    while event["event"] in ("ready", "cell", "grading"):
        if event["event"] == "grading":
            limit = f"its limit is {GRADING:g} s"
            deadline = time.monotonic() + GRADING
        event = child.next_event(deadline - time.monotonic()) or _last_call(child, source, limit)
    return event


def _last_call(child: Child, source: Source, limit: str) -> Event:
    """The time is up: strike until the file's code lets go, then hear what can be graded."""
    end = time.monotonic() + process.GRACE
    while child.status is None and time.monotonic() < end:
        child.interrupt()
        event = child.next_event(min(1.0, process.GRACE))
        if event is not None:
            return event
    event = child.next_event(0.0)  # it may have answered and left between two looks
    if event is not None:
        return event
    raise _lost(child, source, f"was still running {child.where} ({limit}) and did not stop")


def _lost(child: Child, source: Source, silent: str) -> LostError:
    """The one line for a child that is dead, or alive and `silent`, and what it printed last."""
    status = child.status
    how = silent if status is None else _death(status, child.where)
    child.kill()  # so that its output is complete
    lines = child.output().split("\n")
    last = next((line for line in reversed(lines) if line.strip()), None)
    words = f'; the last it printed: "{one_line(last, 120)}"' if last else ""
    message = f"{source.shown}: Python {how}, so nothing was graded{words}"
    return LostError(message, timed_out=status is None)


def _death(status: int, where: str) -> str:
    if status >= 0:
        return f"ended itself {where} (status {status}, as by os._exit)"
    name = signal.Signals(-status).name
    if -status in CRASHES:
        return f"crashed {where} ({name})"
    memory = ", as by the system when memory runs out" if name == "SIGKILL" else ""
    return f"was killed {where} ({name}{memory})"
