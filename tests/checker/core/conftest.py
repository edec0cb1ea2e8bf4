"""Running code through a Session in this process, as a runner would."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checker.sessions import run_all
from handgrad.checker.report.report import Report
from handgrad.checker.session import Session

Checker = Callable[..., Report]


@pytest.fixture
def check() -> Checker:
    """Run one script, or the cells of a notebook, and return the report.

    `pairs` and `max_steps` as Session takes them; `names` collects what the code defined.
    """

    def run(
        code: str | Sequence[str],
        pairs: dict[str, str] | None = None,
        max_steps: int | None = None,
        names: dict[str, Any] | None = None,
    ) -> Report:
        session = Session(pairs, max_steps)
        errors = run_all(session, code, {} if names is None else names)
        report = session.finish("it", errors)
        assert session.recorder.failures == []
        return report

    return run


@pytest.fixture
def seed(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list]:
    """Return the code cells of one of the seeds' notebooks, its data where it looks for it."""

    def cells(name: str) -> list[str]:
        for folder in (tmp_path, tmp_path / "data"):
            folder.mkdir(exist_ok=True)
            (folder / "names.txt").symlink_to(shared / "data" / "names.txt")
        monkeypatch.chdir(tmp_path)
        notebook = json.loads((shared / "seeds" / f"{name}.ipynb").read_text())
        sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
        # pandas is imported by one of them, used by none, and no dependency of ours
        kept = [
            [line for line in s.split("\n") if not line.startswith(("%", "import pandas"))]
            for s in sources
        ]
        return ["\n".join(lines) for lines in kept]

    return cells


def named(report):
    """Return the gradients on a line to blame, with their lines."""
    return {r.hand: r.place.line for r in report.rows if r.blame == "root"}


START = """
import torch
import torch.nn.functional as F
g = torch.Generator().manual_seed(1)
w = torch.randn(4, 3, generator=g, requires_grad=True)
x = torch.randn(5, 4, generator=g)
"""
