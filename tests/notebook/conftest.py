"""One kernel for the whole folder; each test finds it reset, with handgrad loaded."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from browser import chromium

__all__ = ["chromium"]

FORWARD = """\
import torch

torch.manual_seed(1)
x = torch.randn(32, 10)
W = torch.randn(10, 20, requires_grad=True)
b = torch.randn(20, requires_grad=True)
hpre = x @ W + b
h = torch.tanh(hpre)
loss = (h * h).sum()
loss.backward()"""
RIGHT = "dh = 2 * h"
WRONG = "dhpre = (1 - h) * dh\ndW = x.T @ dhpre"
MENDED = WRONG.replace("(1 - h)", "(1 - h**2)")
SAID = """\
handgrad: 2 wrong

Lines to blame
  ✗ dhpre   cell {cell}, line 1   f32[32,20]
      dhpre = (1 - h) * dh
      The derivative in `h = torch.tanh(hpre)` is 1 - h**2; dh is multiplied by something else.
      [HG109]
      to blame for 1 other: dW"""
"""What is shown below WRONG in cell `cell`."""
START = """\
_ip = get_ipython()
_ip.run_line_magic("unload_ext", "handgrad")
_ip.reset(new_session=True)
_ip.execution_count = 0"""


@dataclass(frozen=True)
class Ran:
    """The result of a cell: what it printed, displayed and raised."""

    number: int
    printed: str
    shown: tuple[dict[str, str], ...]
    """What was displayed in order, by MIME type; the value of the cell comes last."""
    values: tuple[str, ...]
    """Those of them that are the value of the cell's last expression, as text."""
    raised: str | None
    next_cell: str | None
    """The text of a new cell below."""

    @property
    def texts(self) -> list[str]:
        return [one["text/plain"] for one in self.shown]

    @property
    def is_silent(self) -> bool:
        return not self.printed and not self.shown and self.raised is None


class Kernel:
    """A notebook's kernel. `run` runs a cell; `cells` are those that have run."""

    def __init__(self) -> None:
        self.client = NotebookClient(
            nbformat.v4.new_notebook(),
            timeout=120,
            kernel_name="python3",
            allow_errors=True,
            on_cell_executed=self._executed,
        )
        self._reply: dict[str, Any] = {}

    def _executed(self, cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self._reply = execute_reply["content"]

    @property
    def cells(self) -> list[Any]:
        return self.client.nb.cells

    def run(self, source: str) -> Ran:
        cell = nbformat.v4.new_code_cell(source)
        self.cells.append(cell)
        self.client.execute_cell(cell, len(self.cells) - 1)
        outputs = cell.outputs
        shown = [o for o in outputs if o.output_type in ("display_data", "execute_result")]
        values = [o.data["text/plain"] for o in shown if o.output_type == "execute_result"]
        raised = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
        following = [p["text"] for p in self._reply["payload"] if p["source"] == "set_next_input"]
        return Ran(
            cell.execution_count,
            "".join(o.text for o in outputs if o.output_type == "stream"),
            tuple(dict(o.data) for o in shown),
            tuple(values),
            raised[0] if raised else None,
            following[0] if following else None,
        )

    def all(self, cells: Sequence[str]) -> list[Ran]:
        return [self.run(source) for source in cells]


@pytest.fixture(scope="session")
def kernel() -> Iterator[Kernel]:
    """Return a running kernel whose warnings are discarded."""
    made = Kernel()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads that wait for work keep a core busy
    env.pop("COLUMNS", None)  # of the terminal that the tests were started in
    with open(os.devnull, "w") as nowhere, made.client.setup_kernel(stderr=nowhere, env=env):
        made.run("import torch")  # once for all tests: two seconds
        yield made


@pytest.fixture
def notebook(kernel: Kernel) -> Kernel:
    """Return an empty kernel whose next cell is In [2]; In [1] loaded handgrad."""
    kernel.cells.clear()
    kernel.run(START)
    kernel.cells.clear()
    assert kernel.run("%load_ext handgrad").number == 1
    return kernel
