"""What reaches a terminal, a full disk or a closed pipe: no control characters, one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]
ESCAPES = "a\x1b[31m\x85b\nc"
SHOWN = r"a\x1b[31m\x85b\x0ac"


@pytest.fixture
def trained(capsys: Capture, tmp_path: Path, words: Path) -> Path:
    out = tmp_path / "run"
    assert command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=2")[0] == 0
    return out


def shell(text: str, folder: Path) -> tuple[int, str, str]:
    """Run a line of bash in which $HANDGRAD is the command."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {text}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"HANDGRAD": f"{sys.executable} -m handgrad"},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", ["sample run -n 3000", "evaluate run"])
def test_a_full_disk(trained: Path, arguments: str) -> None:
    assert shell(f"$HANDGRAD {arguments} > /dev/full", trained.parent) == (
        2,
        "",
        "handgrad: cannot write to standard output: No space left on device\n",
    )


def test_a_pipe_that_closes(trained: Path) -> None:
    code, out, err = shell("$HANDGRAD sample run -n 100000 | head -n 3", trained.parent)
    assert (code, out.count("\n"), err) == (141, 3, "")


def test_samples_are_printed_as_they_come(trained: Path) -> None:
    """The first of a million lines are there long before the last."""
    process = subprocess.Popen(
        [sys.executable, "-m", "handgrad", "sample", "run", "-n", "1000000"],
        cwd=trained.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert first.startswith((b"new", b"known"))


def test_a_folder_whose_name_controls_a_terminal(
    capsys: Capture, tmp_path: Path, words: Path
) -> None:
    out = tmp_path / ESCAPES
    code, text, err = command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=2")
    assert (code, err) == (0, "")
    assert text.startswith(f"{tmp_path}/{SHOWN}: ")
    assert text.splitlines()[-1] == f"handgrad sample $'{tmp_path}/a\\x1b[31m\\u0085b\\x0ac' -n 20"
    assert not any(control in text for control in ("\x1b", "\x85"))
    # and a shell reads it as it was
    said = shell("printf %s " + text.splitlines()[-1].split(" ")[2], tmp_path)
    assert said == (0, str(out), "")
    code, _, err = command(capsys, "sample", out / "none")
    assert (code, err) == (
        2,
        f"handgrad: {tmp_path}/{SHOWN.replace(chr(92) + 'x0a', ' ')}/none is not a run folder: "
        "name one that `handgrad train` made\n",
    )


def test_words_whose_name_is_not_utf8(capsys: Capture, tmp_path: Path, words: Path) -> None:
    named = tmp_path / os.fsdecode(b"\xff.txt")
    words.rename(named)
    out = tmp_path / "run"
    assert command(capsys, "train", "-i", named, "-o", out, *FLAGS, "--steps=2")[0] == 0
    assert json.loads((out / "config.json").read_text())["data"]["source"] == str(named)
    code, _, err = command(capsys, "sample", out)
    assert (code, err) == (0, "")
    named.rename(words)
    code, _, err = command(capsys, "sample", out)
    assert code == 0
    assert err == (
        f"not marked: {tmp_path}/\\udcff.txt: no such file. "
        "Check the path, or use a named data set: names, makemore.\n"
    )


def test_symbols_of_both_directions(capsys: Capture, tmp_path: Path) -> None:
    """A word may contain U+202E, which turns the rest of a terminal's line around."""
    words = tmp_path / "words.txt"
    words.write_text("a\u202eb\n" * 20, encoding="utf-8")
    out = tmp_path / "run"
    code, text, _ = command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=50")
    assert code == 0
    assert "\u202e" not in text
    assert r"\u202e" in text
    for target in ((), ("--json", "-")):
        code, text, _ = command(capsys, "sample", out, *target)
        assert "\u202e" not in text
        assert r"\u202e" in text


@pytest.mark.parametrize("pair", ["=\x1b[31m", "\x1b[31m", "a\nb\x9b"])
def test_a_pair_that_controls_a_terminal(capsys: Capture, pair: str) -> None:
    code, text, err = command(capsys, "check", "x.py", "--pair", pair)
    shown = pair.replace("\x1b", r"\x1b").replace("\x9b", r"\x9b").replace("\n", " ")
    assert (code, text, err) == (
        2,
        "",
        f"handgrad: --pair {shown}: expected NAME=TENSOR, such as --pair dh=a\n",
    )
