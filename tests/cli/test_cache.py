"""A damaged kernel cache, from a shell: one line for each file, and the same model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handgrad.files import sealed, unsealed
from tiny import write_words

# no hidden layer: few kernels, which compile in seconds
FLAGS = ["--n-layer=0", "--n-embd=2", "--steps=50", "--batch-size=4", "--no-batchnorm"]


MODULE = ("-m", "handgrad")
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it fails
from handgrad.cli import main
main()
"""


def train(folder: Path, out: str, *start: str) -> tuple[int, str, str]:
    """Return exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, *(start or MODULE), "train", "-i", "words.txt", "-o", out, *FLAGS],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"HANDGRAD_CACHE": str(folder / "cache")},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cache of compiled kernels, and the run `first`."""
    folder = tmp_path_factory.mktemp("cache")
    write_words(folder)
    code, out, err = train(folder, "first")
    assert (code, err) == (0, "")
    assert out.startswith("compiling the training step: at most twenty seconds, once per machine\n")
    return folder


def kernels(folder: Path) -> dict[str, Path]:
    """Return the cached files by kind: inference, steps, verified."""
    found = {}
    for path in (folder / "cache" / "kernels").iterdir():
        kind = path.name.removeprefix("handgrad_").split("_")[0]
        assert kind not in found
        found[kind] = path
    return found


def test_every_file_is_damaged(folder: Path) -> None:
    files = kernels(folder)
    steps = bytearray(files["steps"].read_bytes())
    steps[len(steps) // 2] ^= 1
    files["steps"].write_bytes(steps)
    files["inference"].write_bytes(b"")
    files["verified"].write_bytes(files["verified"].read_bytes()[:40])
    code, out, err = train(folder, "again")
    assert code == 0
    assert sorted(err.splitlines()) == sorted(
        [
            f"handgrad: {files['inference']} is damaged: discarded, and compiled again",
            f"handgrad: {files['steps']} is damaged: discarded, and compiled again",
            f"handgrad: {files['verified']} is damaged: discarded, "
            "and the gradients verified again",
        ]
    )
    assert out.startswith("compiling the training step: at most twenty seconds, once per machine\n")
    first, again = (folder / name / "model.safetensors" for name in ("first", "again"))
    assert first.read_bytes() == again.read_bytes()
    assert kernels(folder).keys() == files.keys()


def test_other_machine_code_is_verified_again(folder: Path) -> None:
    """A mark is about machine code, not about a file's name: torch is needed again."""
    assert train(folder, "marked", "-c", WITHOUT_TORCH)[::2] == (0, "")
    steps = kernels(folder)["steps"]
    seal, name = steps.read_bytes(), steps.name
    content = unsealed(name, seal)
    assert content is not None
    steps.write_bytes(sealed(name, content + b"\0"))  # pickle ignores it: the same code runs
    code, _, err = train(folder, "other", "-c", WITHOUT_TORCH)
    assert code == 1
    assert "import of torch halted" in err
