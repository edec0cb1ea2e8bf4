"""Every block of the README is run as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from handgrad.cli import main
from handgrad.engine import Batch, to_tensors
from handgrad.models import MLP
from paths import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def run(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """What `command` prints to standard output."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "handgrad"
    with pytest.raises(SystemExit):
        main(arguments)
    return capsys.readouterr().out


def test_the_wrong_code_is_the_examples() -> None:
    assert blocks("python")[0] in (ROOT / "examples" / "softmax.py").read_text()


def test_the_check_prints_what_the_readme_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    command, _, expected = blocks("console")[0].partition("\n")
    assert run(capsys, command.removeprefix("$ ")).strip() == expected.strip()


def test_train_evaluate_sample(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["anna", "andrea", "bert", "ines", "johan", "maria", "nina", "olga", "piet", "una"]
    (tmp_path / "names.txt").write_text("\n".join(names * 10) + "\n")
    train, evaluate, sample = (
        line.removeprefix("$ ") for line in blocks("console")[1].splitlines()
    )
    assert "train" in run(capsys, f"{train} --steps 20")  # 200,000 would take a minute
    assert "nats" in run(capsys, evaluate)
    samples = run(capsys, sample).splitlines()
    assert len(samples) == 20
    assert all(line.split()[-1].startswith("an") for line in samples)


def test_verify(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in blocks("console") if "verify" in block)
    assert "gradients are correct" in run(capsys, block.removeprefix("$ ").strip())


def test_one_line_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in blocks("python") if "handgrad.train" in block)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("emma\nava\nanna\nnoa\nana\nivan\neva\nmax\nnova\nian\n")
    fewer = block.replace("steps=20000", "steps=20, engine='fused', progress=False")
    exec(compile(fewer, "README.md", "exec"), {})
    assert (tmp_path / "runs/names-1/model.safetensors").exists()


def test_spine() -> None:
    model = MLP(27)
    params, state = (to_tensors(arrays) for arrays in model.initialise())
    batch = Batch(torch.zeros(32, 3, dtype=torch.int64), torch.arange(32) % 27)
    names = {"model": model, "params": params, "state": state, "inputs": batch[0]}
    names["targets"] = batch[1]
    (block,) = (block for block in blocks("python") if "ENGINES" in block)
    exec(compile(block, "README.md", "exec"), names)
    assert names["grads"].keys() == params.keys()


def test_watch(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("python") if "watch" in block)
    body = (
        "x = torch.randn(3, 2, requires_grad=True)\n    y = x * 2\n    loss = y.sum()\n"
        "    loss.backward()\n    dy = torch.ones_like(y)\n    dx = dy * 3\n"
    )
    script = tmp_path / "watched.py"
    script.write_text("import torch\n" + block.replace("...  # forward", f"{body}    # forward"))
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "dx = dy * 3" in done.stdout


@pytest.mark.parametrize("target", ["train", "test", "check", "bench"])
def test_make_targets_are_there(target: str) -> None:
    assert f"make {target}" in README
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
