"""Imports that are missing: stand-ins, what they let pass, and what they say."""

from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.checker.run.run import check_file

GRADED = """\
import torch
x = torch.randn(3)
loss = (x**2).sum()
dx = 2 * x
"""
NOT_NEEDED = "the file ran without, and nothing that is graded here depends on it."
HARMLESS = [
    ("import absent_lib", "absent_lib"),
    ("import absent_lib.pyplot as plt\nfig, ax = plt.subplots(1, 2)\nax.plot([1])\nplt.show()",
     "absent_lib.pyplot"),
    ("from google.absent_lib import drive\ndrive.mount('/content')", "google.absent_lib"),
    ("from absent_lib import njit, jit\n@njit\ndef f(): return 1\n"
     "@jit(fast=True)\ndef g(): return 1\nassert f() + g() == 2", "absent_lib"),
    ("from absent_lib import tqdm, trange\n"
     "assert [*tqdm(range(3), desc='a')] == [*trange(3)] == [0, 1, 2]", "absent_lib"),
    ("import absent_lib as pd\ndf = pd.read_csv('a.csv')\ndf['a'] = df['b'] = 3\n"
     "def f(frame: pd.DataFrame | None): ...\nwith pd.option_context('a', 1): print(df.head())",
     "absent_lib"),
    ("import absent_lib\nclass Model(absent_lib.Module):\n    a = 1\nassert Model().a == 1",
     "absent_lib"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "name"), HARMLESS)
def test_what_does_not_matter(tmp_path: Path, code: str, name: str) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"{code}\n{GRADED}")
    report = check_file(path).report
    assert report.errors == ()
    assert [row.verdict for row in report.rows] == ["exact"]
    assert [n.message for n in report.notes] == [f"{name} is not installed; {NOT_NEEDED}"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "from absent_lib import layer\nz = torch.tanh(layer(x))",
            "ModuleNotFoundError: the value of absent_lib.layer() is needed here, and absent_lib is"
            " not installed",
        ),
        (
            "import absent_lib as a\nz = x * a.scale",
            "ModuleNotFoundError: the value of absent_lib.scale is needed here, and absent_lib is"
            " not installed",
        ),
        (
            "import absent_lib as a\nprint(max(a.read()))",
            "ValueError: max() arg is an empty sequence (absent_lib.read() gave no values: the"
            " module is not installed)",
        ),
        (
            "from absent_lib import *\nhelper(x)",
            "NameError: name 'helper' is not defined (absent_lib, of which the file imports *, is"
            " not installed)",
        ),
        ("import torch.absent", "ModuleNotFoundError: No module named 'torch.absent'"),
        ("from torch import absent", "ImportError: cannot import name 'absent' from 'torch'"),
    ],
)
def test_what_matters(tmp_path: Path, code: str, error: str) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"{GRADED}{code}\n")
    report = check_file(path).report
    assert [row.verdict for row in report.rows] == ["exact"]
    (found,) = report.errors
    assert found.error.startswith(error)


@pytest.mark.parametrize("caught", [" ImportError", " (KeyError, ModuleNotFoundError)", ""])
def test_an_import_that_the_file_catches_fails(tmp_path: Path, caught: str) -> None:
    path = tmp_path / "s.py"
    path.write_text(
        f"try:\n    import absent_lib\n    found = True\nexcept{caught}:\n    found = False\n"
        f"assert not found\n{GRADED}"
    )
    report = check_file(path).report
    assert (report.errors, report.notes) == ((), ())


def test_in_a_notebook(notebook: Writer) -> None:
    path = notebook("%matplotlib inline\nimport absent_lib\nabsent_lib.go()", GRADED)
    report = check_file(path).report
    assert report.errors == ()
    assert [n.message for n in report.notes] == [f"absent_lib is not installed; {NOT_NEEDED}"]


def test_a_library_that_misses_its_own_import_fails_as_ever(tmp_path: Path) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "lib.py").write_text("import absent_lib\n")
    path = tmp_path / "s.py"
    path.write_text(f"{GRADED}import sys\nsys.path.insert(0, 'site-packages')\nimport lib\n")
    (error,) = check_file(path).report.errors
    assert error.error == "ModuleNotFoundError: No module named 'absent_lib'"
