"""The cache on disk: reused, renewed when needed, optional."""

import subprocess
import sys
from pathlib import Path

import pytest

from handgrad.engine.compiled import build as module
from handgrad.engine.compiled.build import build, fingerprint, is_compiled, is_kept

SOURCE = '''\
"""A tiny step."""

from handgrad.kernels.jit import cached


@cached
def steps(x):
    return x + 1
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    build.cache_clear()
    return tmp_path / "cache"


def test_machine_code_is_cached(folder: Path) -> None:
    assert not is_compiled(SOURCE, "float32")
    assert build(SOURCE, "float32")(1) == 2
    assert is_compiled(SOURCE, "float32")
    assert not is_compiled(SOURCE, "float64")
    (kept,) = (folder / "kernels").iterdir()
    assert kept.name.startswith(f"handgrad_steps_float32_{fingerprint(SOURCE)}.")


def test_what_is_cached_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build(SOURCE, "float32")(1) == 2
    build.cache_clear()
    function = build(SOURCE, "float32")
    monkeypatch.setattr(function, "_compiler", None)  # it cannot compile
    assert function(1) == 2


def test_another_kernel_or_version_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(SOURCE)
    monkeypatch.setattr(module, "VECTOR_BYTES", 1)
    assert fingerprint(SOURCE) != before
    assert fingerprint(SOURCE + "\n") != fingerprint(SOURCE)


def test_a_cache_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "file"))
    build.cache_clear()
    assert build(SOURCE, "float32")(1) == 2
    assert not is_kept()
    assert (tmp_path / "file").read_text() == "no folder"


def test_processes_that_start_at_the_same_time(folder: Path) -> None:
    program = (
        "import sys\n"
        "from handgrad.engine.compiled.build import build\n"
        "assert build(sys.argv[1], 'float32')(1) == 2\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, SOURCE]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert is_compiled(SOURCE, "float32")
    # and the next one finds what they left
    subprocess.run([sys.executable, "-c", program, SOURCE], check=True)
