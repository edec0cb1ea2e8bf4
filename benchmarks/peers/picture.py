"""The picture: bars for one cell, GFlop/s over n_hidden for a sweep."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from benchmarks.peers.table import Session
from benchmarks.peers.timing import Measured

MARKS = "osD^vPX*"


def draw(session: Session, path: Path) -> None:
    """Write the picture in the format that the name ends in."""
    with matplotlib.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = _sweep(session) if len(session.cells) > 1 else _bars(session.cells[0])
        figure.savefig(path, dpi=150, bbox_inches="tight")


def _bars(cell: Measured) -> Figure:
    """Times faster than the reference, with quartiles."""
    rows = sorted(cell.timed.items(), key=lambda item: item[1].times_faster)
    figure = Figure(figsize=(7, 0.45 * len(rows) + 1))
    axes = figure.subplots()
    middles = [timed.times_faster for _, timed in rows]
    ends = [
        [max(0.0, timed.times_faster - timed.low) for _, timed in rows],
        [max(0.0, timed.high - timed.times_faster) for _, timed in rows],
    ]
    colours = ["C0" if name.startswith("ours") else "0.7" for name, _ in rows]
    axes.barh([name for name, _ in rows], middles, xerr=ends, color=colours, ecolor="0.3")
    for place, (_, timed) in enumerate(rows):
        label = f"  {timed.times_faster:.1f}x, {timed.microseconds:.4g} µs"
        axes.text(max(timed.high, timed.times_faster), place, label, va="center")
    axes.set_xlim(right=max(timed.high for _, timed in rows) * 1.3)
    axes.set_xlabel("times faster than the lecture's eager loop")
    axes.set_title(cell.title, loc="left")
    return figure


def _sweep(session: Session) -> Figure:
    """A panel for each batch size and depth, a line for each peer."""
    panels: dict[str, list[Measured]] = {}
    for measured in session.cells:
        cell = measured.cell
        panels.setdefault(f"batch {cell.batch_size}, depth {cell.n_layer}", []).append(measured)
    names = list(dict.fromkeys(name for cell in session.cells for name in cell.timed))
    figure = Figure(figsize=(4.2 * min(3, len(panels)), 3.6 * -(-len(panels) // 3)))
    grid = figure.subplots(-(-len(panels) // 3), min(3, len(panels)), sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, cells) in zip(grid.flat, panels.items(), strict=False):
        for i, name in enumerate(names):
            here = [m for m in cells if name in m.timed]
            widths, rates = [m.cell.n_hidden for m in here], [m.timed[name].gflops for m in here]
            bold = 2.2 if name.startswith("ours") else 1.2
            axes.plot(widths, rates, marker=MARKS[i % len(MARKS)], lw=bold, ms=5, label=name)
        axes.axhline(session.peak, color="0.5", ls="--", lw=1, label="a large product")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ticks = sorted({m.cell.n_hidden for m in cells})
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_title(title, loc="left")
        axes.set_xlabel("n_hidden")
    for row in grid:
        row[0].set_ylabel("GFlop/s of the step's products")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=4, bbox_to_anchor=(0.5, 0.0), frameon=False
    )
    figure.tight_layout()
    return figure
