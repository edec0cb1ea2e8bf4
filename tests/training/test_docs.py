"""The Python example of docs/train.md runs unchanged."""

import re
from pathlib import Path

import pytest

from paths import DOCS

PAGE = DOCS / "train.md"


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(PAGE), "exec"), {})
    assert 2 < float(capsys.readouterr().out) < 3
