"""What a run reports, on a terminal and elsewhere."""

import io
import sys

import pytest

from handgrad.training.metrics import MetricsRow
from handgrad.training.reporter import Bar, Lines, ReporterGroup, console_reporter, row_line

ROW = MetricsRow(400, 0.1 * 0.1, 2.5, 2.25, None, 12.34)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def heard(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the output for two blocks, a line and a row."""
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    say = partial_print(stream)
    with console_reporter(say, steps=1000, done=100, to_stderr=False) as reporter:
        assert isinstance(reporter, Bar if stream.isatty() else Lines)
        reporter.progress(200, 3.0)
        reporter.say("[a] line")
        reporter.progress(400, 2.75)
        reporter.row(ROW)
    return stream.getvalue()


def partial_print(stream: io.StringIO):  # type: ignore[no-untyped-def]
    return lambda line: print(line, file=stream)


LINE = "step  400/1000  lr 0.01  batches 2.5000  train 2.2500  12.3 s"


def test_row_line() -> None:
    assert row_line(ROW, 1000) == LINE


def test_plain_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert heard(io.StringIO(), monkeypatch) == f"[a] line\n{LINE}\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = heard(Terminal(), monkeypatch)
    assert "[a] line\n" in out
    assert LINE + "\n" in out
    assert "200/1000" in out
    assert "steps, loss 3.0000" in out
    assert "2.7500" not in out  # too soon after the first to be drawn
    assert out.endswith("\x1b[1A\x1b[2K")  # the bar is taken away


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with console_reporter(partial_print(stream), 1000, 0, to_stderr=False) as reporter:
        reporter.progress(200, 3.0)
    assert "\x1b[3" not in stream.getvalue()
    assert "200/1000" in stream.getvalue()


def test_a_group_passes_everything_on() -> None:
    lines: list[str] = []
    several = ReporterGroup([Lines(lines.append, 1000), Lines(lines.append, 1000)])
    several.row(ROW)
    several.say("a line")
    assert lines == [LINE, LINE, "a line", "a line"]
