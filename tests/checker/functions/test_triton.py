"""Triton kernels under Triton's interpreter, on the CPU; only where triton is installed.

The interpreter is chosen when triton is imported: each check runs in a Python of its own.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "pytest.md").read_text()
KERNEL = next(
    block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "triton" in block
)
REFERENCE = "import torch\n\n\ndef sigmoid(x):\n    return 1 / (1 + (-x).exp())\n"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)


def run(tmp_path: Path, source: str, *command: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_kernel.py").write_text(source)
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


PYTEST = (
    "pytest",
    "-q",
    "-p",
    "handgrad.pytest_plugin",
    "-p",
    "no:cacheprovider",
    "test_kernel.py",
)


def test_the_kernel_of_the_page_is_right(tmp_path: Path) -> None:
    result = run(tmp_path, KERNEL, *PYTEST)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_planted_factor_is_found(tmp_path: Path) -> None:
    wrong = KERNEL.replace("dout * y * (1 - y)", "dout * y * (1 - y) * 2")
    assert wrong != KERNEL
    result = run(tmp_path, wrong, *PYTEST)
    assert "[HG162]" in result.stdout, result.stdout + result.stderr


def test_a_lost_block_is_found(tmp_path: Path) -> None:
    wrong = KERNEL.replace("(triton.cdiv(n, BLOCK),)", "(max(n // BLOCK, 1),)")
    assert wrong != KERNEL
    result = run(tmp_path, wrong, *PYTEST)
    assert result.returncode == 1, result.stdout + result.stderr


def test_the_gate_runs_it(tmp_path: Path) -> None:
    (tmp_path / "refs.py").write_text(REFERENCE)
    command = ("handgrad", "check-function", "test_kernel:Sigmoid", "--reference", "refs:sigmoid")
    small = ("--inputs", "x=N", "--sizes", "N=1,5,64,65,130", "--dtypes", "float32")
    result = run(tmp_path, KERNEL, *command, *small)
    assert result.returncode == 0, result.stdout + result.stderr
