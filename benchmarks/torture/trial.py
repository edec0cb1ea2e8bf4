"""A command in a forked process, and what may come of it.

Everything is imported once, and no trial pays for it. A trial is right if it ends with the result
of an undamaged run, or with one line that says what is wrong.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from handgrad.cli import run

SECONDS = 120
"""A command that takes longer hangs."""
_CRASHED = 70


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, or minus the signal."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it is one line about what is wrong, and nothing else."""
        line = re.fullmatch(r"handgrad: [^\n]{10,1500}\n", self.err)
        return self.code == 2 and line is not None


def command(folder: Path, *arguments: str, before: Callable[[], None] | None = None) -> Outcome:
    """Run `handgrad` with `arguments` in `folder`; `before` is called in the process first."""
    return forked(folder, lambda: run(arguments), before)


def forked(
    folder: Path, task: Callable[[], int], before: Callable[[], None] | None = None
) -> Outcome:
    """Run `task` in a process of its own; its result is the exit code."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _child(folder, task, before, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read())
    return Outcome(os.waitstatus_to_exitcode(status), *texts)


def _child(
    folder: Path, task: Callable[[], int], before: Callable[[], None] | None, out: int, err: int
) -> None:
    code = _CRASHED
    try:
        signal.alarm(SECONDS)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        if before is not None:
            before()
        code = task()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Tally:
    """How many trials of one kind ended how; `failures` are what must not happen."""

    name: str
    same: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, what: str, outcome: Outcome, same: bool, may_refuse: bool = True) -> None:
        """Count one trial; `same`: whether its result is that of an undamaged run."""
        if outcome.code == 0 and same and "Traceback" not in outcome.err:
            self.same += 1
        elif outcome.refused and may_refuse:
            self.refused += 1
        else:
            last = (outcome.err.strip() or "(nothing on stderr)").splitlines()[-1]
            how = "another result, " if outcome.code == 0 else ""
            self.failures.append(f"{what}: {how}exit {outcome.code}: {last[:300]}")

    @property
    def row(self) -> str:
        """A row of a table."""
        trials = self.same + self.refused + len(self.failures)
        numbers = trials, self.same, self.refused, len(self.failures)
        return f"| {self.name} | {' | '.join(f'{number:,}' for number in numbers)} |"


HEAD = """\
| what happens | trials | same result | one line | failures |
| --- | ---: | ---: | ---: | ---: |"""


def copied(source: Path, target: Path) -> Path:
    """Replace `target` by a copy of `source`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
