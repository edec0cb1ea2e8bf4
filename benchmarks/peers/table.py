"""Render measurements as text, Markdown and JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.peers.timing import Measured

PREAMBLE = """# The training step beside its peers

Made by `python -m benchmarks.peers --markdown FILE`, with `--sweep` for all cells. A step is
everything that the loop does: gather the batch, forward, backward, update by SGD, batchnorm's
running statistics; float32, vocabulary 27, three characters of context, embeddings of 10. All peers
train on the same batches from the same start, and each is held to float64 autograd before it is
timed. They take turns in blocks of steps within one process. "Times faster" is the median over the
rounds of the lecture's time over the peer's own in the same round, so that a drifting machine
cancels; GFlop/s counts the products alone, whatever a peer does besides.

| peer | how it is written |
| --- | --- |
| lecture, eager autograd | the notebooks' loop: PyTorch line by line, `loss.backward()` |
| ours, chunked; ours, fused | handgrad's hand-written gradients, called from Python, eagerly |
| ours, compiled | handgrad's compiled engine |
| torch.compile, autograd | gradients by `torch.func`, update included, four steps a call |
| torch.compile, by hand | the same with the fused layers' gradients, eight steps a call |
| JAX, jit + scan | `lax.scan` over a block of steps, `value_and_grad`, donated buffers |
| C, tiled | by hand for exactly these sizes, `cc -O3 -march=native` |

"""


@dataclass(frozen=True)
class Session:
    """All cells of one run of the benchmark, and its machine."""

    machine: str
    threads: int
    clock: str
    peak: float
    """GFlop/s of a large float32 product on the same number of threads."""
    versions: dict[str, str]
    cells: tuple[Measured, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Row = Sequence[str]


def text(session: Session) -> str:
    """For a terminal."""
    return _render(session, columns)


def markdown(session: Session) -> str:
    """A page under docs/."""
    return PREAMBLE + _render(session, _pipes)


def absent(session: Session) -> dict[str, str]:
    """Return the peers that are left out of any cell, each with the first reason."""
    found: dict[str, str] = {}
    for cell in session.cells:
        for name, reason in cell.absent.items():
            found.setdefault(name, reason)
    return found


def _render(session: Session, layout: Callable[[list[Row]], str]) -> str:
    threads = "one core" if session.threads == 1 else f"{session.threads} threads"
    versions = ", ".join(f"{name} {version}" for name, version in session.versions.items())
    parts = [
        f"{session.machine}; {threads}, {session.clock}; {versions}. "
        f"A large product reaches {session.peak:.0f} GFlop/s."
    ]
    parts += [
        _title(cell) + "\n\n" + layout(_cell_rows(cell, session.peak)) for cell in session.cells
    ]
    if len(session.cells) > 1:
        parts.append("The fastest in each cell:\n\n" + layout(_sweep_rows(session)))
    parts += [f"Left out: {name}: {reason}." for name, reason in absent(session).items()]
    return "\n\n".join(parts) + "\n"


def _title(cell: Measured) -> str:
    step = "step" if cell.steps_a_block == 1 else "steps"
    return (
        f"{cell.title}: {cell.flops / 1e6:.3g} MFlop in a step's products; "
        f"{cell.rounds} rounds of {cell.steps_a_block} {step}"
    )


def _cell_rows(cell: Measured, peak: float) -> list[Row]:
    rows: list[Row] = [("peer", "us a step", "times faster", "quartiles", "GFlop/s", "of peak")]
    for name, timed in sorted(cell.timed.items(), key=lambda item: -item[1].microseconds):
        rows.append(
            (
                name,
                f"{timed.microseconds:.4g}",
                f"{timed.times_faster:.2f}",
                f"{timed.low:.2f} to {timed.high:.2f}",
                f"{timed.gflops:.1f}",
                f"{timed.gflops / peak:.0%}",
            )
        )
    return rows


def _sweep_rows(session: Session) -> list[Row]:
    """Return each cell's fastest peer, and our time over that of the best other peer."""
    rows: list[Row] = [
        ("cell", "fastest", "us a step", "GFlop/s", "of peak", "our time / best peer's")
    ]
    for cell in session.cells:
        best = cell.timed[cell.best]
        rows.append(
            (
                cell.title,
                cell.best,
                f"{best.microseconds:.4g}",
                f"{best.gflops:.1f}",
                f"{best.gflops / session.peak:.0%}",
                _ours_over_best(cell),
            )
        )
    return rows


def _ours_over_best(cell: Measured) -> str:
    """The C program is no peer: it is written for exactly these sizes."""
    by_time = sorted(cell.timed, key=lambda name: cell.timed[name].microseconds)
    ours = [name for name in by_time if name.startswith("ours")]
    others = [name for name in by_time if not name.startswith(("ours", "C,"))]
    return f"{cell.ratio(ours[0], others[0]):.2f}" if ours and others else "-"


def columns(rows: list[Row]) -> str:
    """For a terminal: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def _pipes(rows: list[Row]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "| --- |" + " ---: |" * (len(rows[0]) - 1)
    return "\n".join([head, rule, *body])
