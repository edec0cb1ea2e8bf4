"""loss.png: the losses of a run by step."""

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

from handgrad.files import write_atomic
from handgrad.training.metrics import MetricsRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "loss.png"
CURVES = (
    ("loss", "batches", "0.7", 1.0),
    ("train_loss", "train", "tab:blue", 1.8),
    ("val_loss", "val", "tab:orange", 1.8),
)
"""Field of MetricsRow, label, colour, line width; the noisy curve is behind the others, in grey."""


def draw_losses(folder: Path, title: str, rows: list[MetricsRow]) -> None:
    """Write loss.png from the rows of metrics.csv. Raises RunError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no display, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw_curves(figure.add_subplot(), title, rows)
    out = io.BytesIO()
    canvas.print_png(out)  # type: ignore[no-untyped-call]
    write_atomic(folder / FILE, out.getvalue())


def draw_curves(axes: "Axes", title: str, rows: list[MetricsRow]) -> None:
    """Draw every loss by step, with labelled axes."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per character)")
    axes.grid(alpha=0.3)
    marker = "o" if len(rows) <= 20 else None  # a line of one point would be invisible
    values: list[float] = []
    for name, label, color, width in CURVES:
        points = [(row.step, getattr(row, name)) for row in rows if getattr(row, name) is not None]
        if not points:
            continue
        steps, losses = zip(*points, strict=True)
        last = f"{label}, {losses[-1]:.4f} at the end"
        axes.plot(
            steps, losses, color=color, linewidth=width, marker=marker, markersize=3, label=last
        )
        values += losses
    if values:
        axes.legend()
    top = _top(values)
    if top is not None:
        axes.set_ylim(top=top)


def _top(values: list[float]) -> float | None:
    """Return an upper limit if a bad start would flatten the rest of the curve, else None."""
    values = sorted(value for value in values if math.isfinite(value))
    if len(values) < 20:
        return None
    low, high = values[0], values[int(0.95 * len(values))]
    limit = high + 0.5 * (high - low)
    return limit if values[-1] > limit else None
