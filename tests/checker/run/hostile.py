"""Hostile files in a class, for the tests: how they run, and what is left of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handgrad.checker.report.file_result import FileResult
from handgrad.checker.run import sandbox
from handgrad.checker.run.many import check_files

needs_bwrap = pytest.mark.skipif(
    sandbox.unavailable() is not None, reason=f"no sandbox here: {sandbox.unavailable()}"
)
MODES = [pytest.param(True, marks=needs_bwrap, id="sandbox"), pytest.param(False, id="open")]


def checked(folder: Path, source: str, walled: bool, **more: Any) -> FileResult:
    """The result of a hostile file that is checked beside ana.py, whose work must be unharmed."""
    (folder / "eve.py").write_text(source)
    files = [folder / "ana.py", folder / "eve.py"]
    ana, eve = sorted(check_files(files, sandbox=walled, **more), key=lambda one: one.number)
    assert ana.status == "ok"
    return eve


def running(argument: str) -> Iterator[int]:
    """The processes that have this argument."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and argument.encode() in (entry / "cmdline").read_bytes():
                yield int(entry.name)
        except OSError:  # it has ended
            continue
