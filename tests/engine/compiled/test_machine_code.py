"""Machine code on disk: damaged files are discarded with one line, whatever is wrong with them."""

import errno
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from handgrad.engine.compiled.build import build, is_compiled, machine_code
from handgrad.files import sealed

SOURCE = '''\
"""A tiny step."""

from handgrad.kernels.jit import cached


@cached
def steps(x):
    return x + 1
'''
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Return the name and the content of the file that SOURCE is compiled to."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDGRAD_CACHE", str(folder))
        build.cache_clear()
        assert build(SOURCE, "float32")(1) == 2
    (path,) = (folder / "kernels").iterdir()
    return path.name, path.read_bytes()


@pytest.fixture
def file(machine: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in a cache folder of its own; nothing is loaded."""
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "cache" / "kernels" / machine[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(machine[1])
    build.cache_clear()
    return path


def flipped(raw: bytes) -> bytes:
    at = len(raw) - 2000  # in the pickled machine code
    return raw[:at] + bytes([raw[at] ^ 16]) + raw[at + 1 :]


DAMAGE: dict[str, Callable[[str, bytes], bytes]] = {
    "empty": lambda name, raw: b"",
    "truncated": lambda name, raw: raw[:-1],
    "cut in the seal": lambda name, raw: raw[:30],
    "random": lambda name, raw: random.Random(1).randbytes(len(raw)),
    "one bit": lambda name, raw: flipped(raw),
    "longer": lambda name, raw: raw + b"\0",
    "no pickle": lambda name, raw: sealed(name, b"whole, but of no use"),
    "another object": lambda name, raw: sealed(name, pickle.dumps([1, 2])),
    "renamed": lambda name, raw: sealed("another.nbc", raw),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged(file: Path, capsys: Capture, damage: str) -> None:
    file.write_bytes(DAMAGE[damage](file.name, file.read_bytes()))
    assert build(SOURCE, "float32")(1) == 2
    line = f"handgrad: {file} is damaged: discarded, and compiled again\n"
    assert capsys.readouterr().err == line
    build.cache_clear()
    assert is_compiled(SOURCE, "float32")
    assert build(SOURCE, "float32")(1) == 2
    assert capsys.readouterr().err == ""


def test_a_pipe_in_its_place(file: Path, capsys: Capture) -> None:
    file.unlink()
    os.mkfifo(file)
    assert not is_compiled(SOURCE, "float32")
    assert capsys.readouterr().err == (
        f"handgrad: {file} is damaged: discarded, and compiled again\n"
    )
    assert not file.exists()


def test_it_is_damaged_before_anything_is_said_about_compiling(file: Path, capsys: Capture) -> None:
    file.write_bytes(b"")
    assert not is_compiled(SOURCE, "float32")
    assert "is damaged" in capsys.readouterr().err
    assert not file.exists()


def test_digests_are_those_of_the_code_that_runs(file: Path) -> None:
    (key,) = (file.name.split(".")[2],)
    code = machine_code(SOURCE, "float32")
    assert code.digests == {}
    code.load(key)
    (loaded,) = code.digests.items()
    assert loaded[0] == key
    file.write_bytes(b"")  # later changes do not matter: it is read once
    assert build(SOURCE, "float32")(1) == 2
    assert code.digests == dict([loaded])


def test_an_edited_source_does_not_run(file: Path) -> None:
    """Nothing executes what a source file in the cache folder says."""
    for name in (file.stem, "_".join(file.name.split(".")[:1])):
        file.with_name(f"{name}.py").write_text(SOURCE.replace("+ 1", "+ 100"))
    assert build(SOURCE, "float32")(1) == 2
    file.unlink()
    build.cache_clear()
    assert build(SOURCE, "float32")(1) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_disk(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file.unlink()

    def full(self: Path, content: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert build(SOURCE, "float32")(1) == 2
    assert capsys.readouterr().err == (
        f"handgrad: compiled kernels are not kept: cannot write to {file.parent}: "
        f"{os.strerror(number)}; set HANDGRAD_CACHE to a writable folder with free space\n"
    )
    assert list(file.parent.iterdir()) == []
    assert machine_code(SOURCE, "float32").digests == {}


def test_killed_while_it_was_written(file: Path) -> None:
    """What a killed process leaves is not loaded, and deleted once it is old."""
    left = file.with_name(f".{file.name}.abcd1234")
    left.write_bytes(file.read_bytes()[:100])
    file.unlink()
    assert build(SOURCE, "float32")(1) == 2
    assert left.exists()  # another process may be writing it
    old = time.time() - 7200
    os.utime(left, (old, old))
    file.unlink()
    build.cache_clear()
    assert build(SOURCE, "float32")(1) == 2
    assert not left.exists()


def test_killed_while_compiling(file: Path) -> None:
    file.unlink()
    program = (
        "import os, signal, sys\n"
        "from handgrad.engine.compiled import machine_code\n"
        "from handgrad.engine.compiled.build import build\n"
        "def killed(path, content):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "machine_code.write_atomic = killed\n"
        "build(sys.argv[1], 'float32')(1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, SOURCE]).returncode == -9
    assert not is_compiled(SOURCE, "float32")
    assert build(SOURCE, "float32")(1) == 2
    assert is_compiled(SOURCE, "float32")
