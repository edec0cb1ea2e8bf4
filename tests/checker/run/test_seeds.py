"""Strangers' notebooks from end to end: the command, the child, IPython, the real session.

What is right and wrong in them is tests/checker/core's matter; here, that it arrives.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from handgrad.cli import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def seed(shared: Path, tmp_path: Path) -> Any:
    """`seed("000")` is that notebook's path, with names.txt laid where it looks for it."""

    def copy(number: str) -> Path:
        data = tmp_path / "data" if number == "000" else tmp_path
        data.mkdir(exist_ok=True)
        shutil.copy(shared / "data" / "names.txt", data)
        return Path(shutil.copy(shared / "seeds" / f"{number}.ipynb", tmp_path))

    return copy


def checked(path: Path, capsys: Captured) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a check; the file must be as it was."""
    before = hashlib.sha256(path.read_bytes()).digest()
    code = run(["check", str(path), "--json", "-"])
    assert hashlib.sha256(path.read_bytes()).digest() == before
    return code, json.loads(capsys.readouterr().out)


def test_two_lines_to_blame(seed: Any, capsys: Captured) -> None:
    code, report = checked(seed("000"), capsys)
    roots = [(g["hand"], g["cell"], g["line"]) for g in report["gradients"] if g["blame"] == "root"]
    assert code == 1
    assert not report["ok"]
    assert roots == [("dcounts_sum", 6, 6), ("dbndiff2", 6, 22)]
    assert report["counts"] == {"exact": 3, "rounding": 0, "shape": 1, "wrong": 22, "missing": 0}
    assert report["errors"] == []


def test_unfinished_work(seed: Any, capsys: Captured) -> None:
    """`%matplotlib inline`, and a module that need not be there (pandas)."""
    _, report = checked(seed("001"), capsys)
    right = [g["hand"] for g in report["gradients"] if g["verdict"] in ("exact", "rounding")]
    assert {"dlogprobs", "dprobs", "dcounts_sum_inv"} <= set(right)
    assert report["counts"]["missing"] > 0
    assert report["errors"] == []


def test_graded_although_its_comparison_raises(seed: Any, capsys: Captured) -> None:
    code, report = checked(seed("002"), capsys)
    assert code == 1
    assert report["ok"]
    assert [(e["cell"], e["line"], e["error"][:9]) for e in report["errors"]] == [
        (18, 43, "TypeError")
    ]
    pairs = {(g["hand"], g["node"]): g["verdict"] for g in report["gradients"]}
    assert pairs["dh", "a"] in ("exact", "rounding")
    assert pairs["da", "apreact"] in ("exact", "rounding")


def test_a_file_trained_by_autograd_is_refused_without_running(seed: Any, capsys: Captured) -> None:
    path = seed("003")
    assert run(["check", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"handgrad: {path}: nothing to check: found no gradient by hand, such as dh for a tensor h."
        " If yours has another name, use --pair NAME=TENSOR\n"
    )


def test_one_wrong_shape(seed: Any, capsys: Captured) -> None:
    code, report = checked(seed("004"), capsys)
    assert code == 1
    assert [g["hand"] for g in report["gradients"] if g["verdict"] == "shape"] == ["dbnmeani"]
    assert report["counts"]["wrong"] == report["counts"]["missing"] == 0
    assert report["counts"]["exact"] + report["counts"]["rounding"] == 25
    assert report["errors"] == []


def test_modules_in_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """A student's torch.py breaks the notebook beside it, not the check of another."""
    for name in ("json", "torch", "handgrad"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "s.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    assert run(["check", "elsewhere/s.py"]) == 1
    assert "to blame for 1 other: dw" in capsys.readouterr().out


def test_without_its_data_nothing_can_be_graded(
    shared: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = Path(shutil.copy(shared / "seeds" / "000.ipynb", tmp_path))
    assert run(["check", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"handgrad: {path}: nothing to check: no loss was computed from named tensors;"
        " cell 1, line 5 failed: FileNotFoundError: [Errno 2] No such file or directory:"
        f" 'data/names.txt' (looked for {tmp_path}/data/names.txt; the file runs in {tmp_path})\n"
    )


SCRIPT = """\
import torch

x = torch.randn(4, 3)
w = torch.randn(3, 2, requires_grad=True)
h = x @ w
a = torch.tanh(h)
loss = (a**2).mean()
loss.backward()

da = 2 * a / a.numel()
dh = (1 - a) * da
dw = x.T @ dh
"""


@pytest.mark.parametrize("hung", ["", "while True: pass\n"])
def test_a_script(tmp_path: Path, capsys: Captured, hung: str) -> None:
    """The wrong line is named even if the script never ends."""
    path = tmp_path / "s.py"
    path.write_text(SCRIPT + hung)
    timeout = "2" if hung else "60"
    assert run(["check", str(path), "--json", "-", "--timeout", timeout]) == 1
    report = json.loads(capsys.readouterr().out)
    blame = [(g["hand"], g["line"], g["verdict"], g["blame"]) for g in report["gradients"]]
    assert blame == [
        ("da", 10, "exact", None),
        ("dh", 11, "wrong", "root"),
        ("dw", 12, "wrong", "inherited"),
    ]
    errors = [f"{error['line']}: {error['error']}" for error in report["errors"]]
    late = "13: Timeout: still running after 2 s (--timeout); the rest did not run"
    assert errors == ([late] if hung else [])
