"""The loss picture: its axes and its curves."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from handgrad.training.metrics import MetricsRow
from handgrad.training.picture import draw_curves, draw_losses


def rows(n: int, val: float | None = 2.5) -> list[MetricsRow]:
    return [MetricsRow(10 * k, 0.1, 2 + 1 / k, 2.2 + 1 / k, val, float(k)) for k in range(1, n + 1)]


@pytest.mark.parametrize("n", [0, 1, 10, 50])
def test_a_png_of_any_number_of_rows(tmp_path: Path, n: int) -> None:
    draw_losses(tmp_path, "a run", rows(n))
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_axes_and_curves() -> None:
    axes = Figure().add_subplot()
    draw_curves(axes, "a run", rows(50))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss (nats per character)")
    assert axes.get_title(loc="left") == "a run"
    assert [line.get_label() for line in axes.get_lines()] == [
        "batches, 2.0200 at the end",
        "train, 2.2200 at the end",
        "val, 2.5000 at the end",
    ]


def test_no_curve_for_an_empty_split() -> None:
    axes = Figure().add_subplot()
    draw_curves(axes, "a run", rows(5, val=None))
    assert len(axes.get_lines()) == 2


def test_few_rows_are_marked() -> None:
    few, many = Figure().add_subplot(), Figure().add_subplot()
    draw_curves(few, "", rows(1))
    draw_curves(many, "", rows(50))
    assert few.get_lines()[0].get_marker() == "o"
    assert many.get_lines()[0].get_marker() == "None"


def test_a_bad_start_does_not_flatten_the_curve() -> None:
    axes = Figure().add_subplot()
    bad = [MetricsRow(5, 0.1, 27.0, 20.0, 20.0, 0.1), *rows(50)]
    draw_curves(axes, "", bad)
    assert axes.get_ylim()[1] < 5
