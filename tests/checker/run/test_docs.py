"""docs/check.md shows what its commands print, except for numbers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handgrad.cli import run
from paths import DOCS

PAGE = DOCS / "check.md"
FIGURE = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
SCRIPTS = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```\n\$ handgrad (.*?)\n(.*?)```", re.DOTALL)


def shown(text: str) -> str:
    """Return `text` without numbers, which differ between CPUs and versions of torch."""
    return FIGURE.sub("#", text)


@pytest.mark.parametrize(("command", "output"), COMMANDS.findall(PAGE.read_text()))
def test_a_command_of_the_page(
    command: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, source in SCRIPTS.findall(PAGE.read_text()):
        (tmp_path / name).write_text(source)
    monkeypatch.chdir(tmp_path)
    run(command.split())
    printed = capsys.readouterr().out
    if command.endswith("--json -"):
        printed = json.dumps(json.loads(printed))
        output = json.dumps(json.loads(output))
    assert shown(printed) == shown(output)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS.findall(PAGE.read_text())) == 3
    assert [name for name, _ in SCRIPTS.findall(PAGE.read_text())] == ["backward.py", "other.py"]


def test_the_code_of_the_page_runs_and_finds_nothing_wrong(tmp_path: Path) -> None:
    blocks = re.findall(r"(?<!`:)\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    start = "import torch\nx, W = torch.randn(32, 10), torch.randn(10, 20, requires_grad=True)\n"
    script = tmp_path / "page.py"
    script.write_text(start + "\n\n".join(blocks) + "\nassert w.check().ok and report.ok\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dW" in done.stdout
