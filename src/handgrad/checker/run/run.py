"""`check_file`: run a notebook or a script in a child process and grade its gradients."""

import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TypeVar

from handgrad.checker.report.report import Report
from handgrad.checker.run import process
from handgrad.checker.run.cells import Source
from handgrad.checker.run.exercised import read_exercise, with_exercise
from handgrad.checker.run.limits import Limits, limits_of
from handgrad.checker.run.messages import MALFORMED, Message
from handgrad.checker.run.process import Child, Start
from handgrad.checker.run.sandbox import Sandbox, SandboxError, required, unavailable
from handgrad.checker.run.source import Module, read_source
from handgrad.checker.run.wire import MalformedError, unpack
from handgrad.errors import CheckError, LostError, SettingsError
from handgrad.text import one_line, printable

CHECK = "handgrad.checker.run.check_task:CheckTask"
"""The task of a check; task.py says what a task is."""
TIMEOUT = 600.0  # seconds
GRADING = 600.0  # seconds: grading takes a few times as long as the run, so only a hang reaches it
LONGEST = 2000  # characters of a refusal: it may name every gradient of the file
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True)
class Outcome:
    """A report, and what the file printed (without the middle if it printed very much)."""

    report: Report
    output: str


@dataclass(frozen=True)
class Isolation:
    """What keeps a checked file from the machine: a sandbox, limits, or neither.

    `hidden` are files that it must not see.
    """

    sandbox: bool = False
    limits: Limits | None = None
    hidden: tuple[Path, ...] = ()


Record = TypeVar("Record")
OPEN = Isolation()
"""A file runs as Python would run it."""


def check_file(
    file: str | Path | Module,
    pairs: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    max_steps: int | None = None,
    whole: bool = False,
    arguments: Sequence[str] = (),
    sandbox: bool = False,
    exercise: str | Path | None = None,
) -> Outcome:
    """Run `file` as Python would, in a child process in its own folder, and grade its gradients.

    `pairs` maps names of gradients to their tensors, for names that do not show it. `timeout` is
    in seconds. `max_steps` is the number of steps of a training loop that are recorded (2 if None).
    `whole`: run the file to its end, also once all gradients by hand are recorded. `arguments` are
    the script's own. `sandbox`: run it in a sandbox, with limits. `exercise` is the exercise that
    it is compared with. `file` may also be a Module.

    Raises CheckError, one line, if there is nothing to check or the file cannot be run, and
    SettingsError for invalid settings.
    """
    require_settings(timeout, max_steps)
    source = read_source(file)
    task = None if exercise is None else read_exercise(exercise)
    answer, output = run_source(
        source,
        CHECK,
        timeout,
        pairs=pairs,
        max_steps=max_steps,
        arguments=arguments,
        whole=whole,
        isolation=isolated(sandbox=True) if sandbox else OPEN,
    )
    report = unpacked(source, answer, "report", Report)
    return Outcome(with_exercise(report, source, task), output)


def unpacked(source: Source, answer: Message, key: str, kind: type[Record]) -> Record:
    """Return the record in a child's answer. Raises LostError if there is none."""
    try:
        return unpack(kind, answer.get(key))
    except MalformedError:
        raise LostError(f"{source.shown}: {MALFORMED}", timed_out=False) from None


def isolated(sandbox: bool | None, jobs: int = 1, files: Sequence[Path] = ()) -> Isolation:
    """Return the isolation of each of `files`, of which `jobs` run at a time.

    `sandbox` None: where this machine can make one. Raises SettingsError if it is required and
    there is none.
    """
    if sandbox:
        required()
    is_walled = unavailable() is None if sandbox is None else sandbox
    return Isolation(is_walled, limits_of(jobs), tuple(files))


def run_source(
    source: Source,
    task: str,
    timeout: float,
    *,
    pairs: Mapping[str, str] | None = None,
    max_steps: int | None = None,
    stop: threading.Event | None = None,
    start: Start | None = None,
    arguments: Sequence[str] = (),
    isolation: Isolation = OPEN,
    **more: Any,
) -> tuple[Message, str]:
    """Run `source` in a child process; return the child's answer and what the file printed.

    `task` names what the child does (task.py); `more` goes into its request. `stop` and `start`
    are those of Child. Raises CheckError if the child refuses, LostError if it dies or hangs, or if
    there is no sandbox although `isolation` asks for one; Stopped if `stop` is set meanwhile.
    """
    if arguments and source.kind == "notebook":
        raise SettingsError(f"arguments after -- are for scripts, and {source.shown} is a notebook")
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="handgrad-"))
        box = stack.enter_context(_sandbox(source, isolation)) if isolation.sandbox else None
        request = {
            "task": task,
            "shown": source.shown,
            "path": str(source.path),
            "kind": source.kind,
            "folder": str(source.folder),
            "module": source.module,
            "arguments": list(arguments),
            "cells": [astuple(cell) for cell in source.cells],
            "pairs": dict(pairs or {}),
            "max_steps": max_steps,
            "timeout": timeout,
            "scratch": scratch,
            "sandbox": box and {**box.request(), "scratch": scratch},
            "limits": isolation.limits.of_process() if isolation.limits else {},
            **more,
        }
        with Child(request, stop, start, isolation.limits, box) as child:
            answer = _answer(child, source, timeout)
        if answer["event"] == "failed":
            raise LostError(f"{source.shown}: {one_line(answer['message'])}", timed_out=False)
        if answer["event"] == "refused":
            raise CheckError(printable(answer["message"][:LONGEST]))
        return answer, child.output()


def _sandbox(source: Source, isolation: Isolation) -> Sandbox:
    own = os.path.realpath(source.path)
    hidden = [path for path in isolation.hidden if os.path.realpath(path) != own]
    try:
        return Sandbox(source.folder, hidden)
    except SandboxError as error:
        raise LostError(f"{source.shown}: no sandbox: {error}", timed_out=False) from error


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
    ending = f"was ended {child.where}: {child.excess}" if child.excess else ending
    child.kill()  # so that its output is complete
    lines = child.output().split("\n")
    last = next((line for line in reversed(lines) if line.strip()), None)
    printed = f'; its last output: "{one_line(last, 120)}"' if last else ""
    message = f"{source.shown}: Python {ending}, so nothing was graded{printed}"
    return LostError(message, timed_out=status is None and not child.excess)


def _death(status: int, where: str) -> str:
    if status >= 0:
        return f"exited {where} (status {status}, as from os._exit)"
    names = {number.value: number.name for number in signal.Signals}
    name = names.get(-status, f"signal {-status}")
    if -status in CRASHES:
        return f"crashed {where} ({name})"
    memory = ", which the system sends when memory runs out" if name == "SIGKILL" else ""
    return f"was killed {where} ({name}{memory})"
