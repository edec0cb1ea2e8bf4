"""Gradients by hand in modules that the checked file imports, loads by path or compiles."""

from pathlib import Path

import pytest

from handgrad.checker.report.text import to_text
from handgrad.checker.run.run import check_file

LAYERS = """\
import numpy as np

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
"""
MAIN = """\
import numpy as np
from nets.layers import affine_backward, affine_forward
rng = np.random.default_rng(0)
x, w, b, t = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), np.zeros(2), rng.normal(size=(5, 2))
y, cache = affine_forward(x, w, b)
loss = ((y - t) ** 2).sum()
dy = 2 * (y - t)
dx, dw, db = affine_backward(dy, cache)
"""
BY_PATH = """\
import importlib.util
import numpy as np
spec = importlib.util.spec_from_file_location("fetched", "nets/layers.py")
layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layers)
affine_forward, affine_backward = layers.affine_forward, layers.affine_backward
"""
COMPILED = """\
import numpy as np
names = {}
exec(compile(open("nets/layers.py").read(), "nets/layers.py", "exec"), names)
affine_forward, affine_backward = names["affine_forward"], names["affine_backward"]
"""
LOADED = MAIN.split("\n", 2)[2]
PROGRAMS = {"imported": MAIN, "by path": BY_PATH + LOADED, "compiled": COMPILED + LOADED}
BLAMED = """\
Lines to blame
  ✗ db   nets/layers.py, line 10   f64[2]
      db = dout.mean(axis=0)
      This line takes the mean; the sum is correct. [HG117]
      try: db = dout.sum(axis=0)    (checked: correct up to rounding)
      to blame for 1 other: db
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "layers.py").write_text(LAYERS)
    return tmp_path


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_right_module_is_called_right(folder: Path, program: str) -> None:
    (folder / "main.py").write_text(PROGRAMS[program])
    report = check_file(folder / "main.py").report
    assert {row.verdict for row in report.rows} == {"rounding"}
    inside = {row.hand for row in report.rows if row.place and row.place.cell == "nets/layers.py"}
    assert inside == {"dx", "dw", "db"}
    assert report.errors == ()
    assert report.notes == ()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_line_in_a_module_is_blamed_with_its_file(folder: Path, program: str) -> None:
    (folder / "main.py").write_text(PROGRAMS[program])
    (folder / "nets" / "layers.py").write_text(LAYERS.replace("sum(axis=0)", "mean(axis=0)"))
    report = check_file(folder / "main.py").report
    assert BLAMED in to_text(report)
    (root,) = [g for g in report.to_json()["gradients"] if g["blame"] == "root"]
    assert (root["file"], root["line"], root["cell"]) == ("nets/layers.py", 10, None)
    assert "nets/layers.py, line 10" in report.to_html()


def test_a_training_loop_in_a_module_is_left_once_it_is_recorded(folder: Path) -> None:
    (folder / "training.py").write_text(
        "import numpy as np\n"
        "from nets.layers import affine_backward, affine_forward\n"
        "def train(x, w, b, t):\n"
        "    for step in range(10**9):\n"
        "        y, cache = affine_forward(x, w, b)\n"
        "        loss = ((y - t) ** 2).sum()\n"
        "        dx, dw, db = affine_backward(2 * (y - t), cache)\n"
        "        w -= 0.01 * dw\n"
        "        b -= 0.01 * db\n"
    )
    main = MAIN.split("y, cache")[0].replace("import affine_backward, affine_forward", "import *")
    (folder / "main.py").write_text(f"import training\n{main}training.train(x, w, b, t)\n")
    report = check_file(folder / "main.py", timeout=60).report
    assert {row.verdict for row in report.rows} == {"rounding"}
    assert [note.code for note in report.notes] == ["HG214"]


def test_a_module_that_computes_nothing_is_compiled_as_ever(folder: Path) -> None:
    (folder / "words.py").write_text("def names():\n    return [c for c in globals()]\n")
    (folder / "main.py").write_text("import words\nprint(words.names())\n" + MAIN)
    outcome = check_file(folder / "main.py")
    assert "handgrad" not in outcome.output
    assert outcome.report.ok
