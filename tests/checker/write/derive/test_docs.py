"""docs/derive.md: its commands and its code print what it shows."""

import re
from pathlib import Path

import pytest

from handgrad.checker.write.derive.blocks import RECOGNISED
from handgrad.cli import run
from paths import DOCS

PAGE = (DOCS / "derive.md").read_text()
FORWARD, CODE, SHOWN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "forward.py").write_text(FORWARD)
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"```\n\$ handgrad (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert len(commands) == 2
    for command, output in commands:
        assert run(command.split()) == 0
        assert capsys.readouterr().out == output, command


def test_the_code_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    __import__("page")
    assert capsys.readouterr().out.rstrip("\n") == SHOWN.rstrip("\n")


def test_the_table_of_blocks_is_complete() -> None:
    starts = "from|minus|the same|divided|in steps"
    rows = re.findall(rf"^\| (\w+) \| (?:{starts})", PAGE, re.MULTILINE)
    assert rows == ["softmax_cross_entropy", "batchnorm", "layernorm", "rmsnorm", "softmax"]
    names = [recognise.__name__ for recognise in RECOGNISED]  # type: ignore[attr-defined]
    assert names == ["cross_entropy", "normalisation", "softmax"]
