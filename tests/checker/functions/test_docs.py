"""docs/pytest.md: its blocks run, its command prints the output shown, its tables are complete."""

import re
import shlex
from pathlib import Path

import pytest

import handgrad
from handgrad.checker.functions.causes import FUNCTION_CAUSES
from handgrad.checker.functions.runs import explore
from handgrad.checker.functions.samples.grid import HUGE, SIZES
from handgrad.checker.functions.samples.sample import DTYPES, LAYOUTS, UPSTREAMS

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[3] / "docs" / "pytest.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FIGURE = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def test_the_command_prints_what_the_page_shows(pytester: pytest.Pytester) -> None:
    space: dict[str, object] = {}
    exec(BLOCKS[0], space)  # pytester unloads modules that load during its run; torch cannot be
    shapes = {"x": "B C", "weight": "C", "bias": "C"}
    sample = "B=3 C=5 float64 upstream=random"
    assert not handgrad.check_function(
        space["LayerNorm"],  # type: ignore[arg-type]
        space["reference"],  # type: ignore[arg-type]
        shapes,
        sample=sample,
    ).ok
    (command, shown), *others = re.findall(r"```\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert not others
    (name,) = re.findall(r"in this `(\w+\.py)`", PAGE)
    (pytester.path / name).write_text(BLOCKS[0])
    args = ["-p", "handgrad.pytest_plugin", "-p", "no:cacheprovider", *shlex.split(command)[1:]]
    result = pytester.runpytest_inprocess(*args)
    result.assert_outcomes(failed=1)
    # figures differ between CPUs and versions of torch
    assert FIGURE.sub("#", shown) in FIGURE.sub("#", result.stdout.str())


def test_the_other_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_norm.py").write_text(BLOCKS[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(explore, "SIZES", (1, 3, 65, 0))
    monkeypatch.setattr(explore, "huge", lambda *_: [])
    space: dict[str, object] = {}
    exec(BLOCKS[0], space)
    for block in (
        b for b in BLOCKS[1:] if "triton" not in b
    ):  # a call on a line of its own compares a function with itself
        lines = re.sub(r"^(handgrad\.check_function\(.*\))$", r"assert \1.ok", block, flags=re.M)
        exec(lines, space)
    assert "[HG152]" in capsys.readouterr().out
    assert len(BLOCKS) == 11


def test_the_tables_are_complete() -> None:
    rows = dict(re.findall(r"^\| (HG\d+) \| (.*?) \|$", PAGE, re.MULTILINE))
    assert rows == {cause.code: cause.name for cause in FUNCTION_CAUSES}
    *sizes, last = SIZES
    tried = (
        f"each letter at {', '.join(map(str, sizes))} and {last}, and at {HUGE} if the tensors "
        f"stay small"
    )
    assert tried in PAGE
    for words in (DTYPES, LAYOUTS, UPSTREAMS):
        assert all(word in PAGE for word in words)
