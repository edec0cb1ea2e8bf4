"""docs/check.md shows what the commands in it print, but for figures."""

import json
import re
from pathlib import Path

import pytest

from handgrad.cli import run

PAGE = Path(__file__).parents[3] / "docs" / "check.md"
FIGURE = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
SCRIPTS = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```\n\$ handgrad (.*?)\n(.*?)```", re.DOTALL)


def shown(text: str) -> str:
    """`text` as far as it has to agree: figures differ with processors and versions of torch."""
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
