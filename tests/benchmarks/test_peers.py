"""The benchmark times nobody who computes something else: each peer's step against float64."""

import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.peers import PEERS, REFERENCE, picture, table, timing
from benchmarks.peers.job import Job, Spent, _lines
from benchmarks.peers.work import (
    Absent,
    Build,
    Cell,
    Peer,
    Work,
    WrongPeer,
    prepare,
    reference_steps,
    verified,
)

from handgrad.data import Dataset, open_dataset

# two minutes of compiling each; the program itself verifies them before it times them
QUICK = {name: build for name, build in PEERS.items() if "torch.compile" not in name}
CELLS = {
    "the lecture's": (Cell(), 1),
    "primes, two layers": (Cell(n_hidden=37, batch_size=5, n_layer=2), 4),
    "wide": (Cell(n_hidden=256, batch_size=101), 2),
}
"""Sizes, and steps a call."""


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MOST_STEPS", 4)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset("names")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", QUICK)
def test_a_peers_steps_are_those_of_float64_autograd(
    dataset: Dataset, name: str, cell: str
) -> None:
    sizes, steps = CELLS[cell]
    work = prepare(dataset, sizes, 8)
    try:
        verified(work, QUICK[name], reference_steps(work, steps))
    except Absent as absent:
        pytest.skip(str(absent))


def changed(name: str, factor: float) -> Build:
    """The reference with one tensor moved by a little more or less than it should be."""

    def build(work: Work, steps: int) -> Peer:
        peer = PEERS[REFERENCE](work, steps)

        def values() -> dict[str, np.ndarray]:
            start = work.params | work.state
            return {
                key: start[key] + (value - start[key]) * (factor if key == name else 1)
                for key, value in peer.values().items()
            }

        return Peer(peer.run, values)

    return build


@pytest.mark.parametrize("name", ["C", "W1", "bngain", "bnbias", "W2", "b2", "bnmean_running"])
def test_a_gradient_one_per_cent_off_is_refused(dataset: Dataset, name: str) -> None:
    work = prepare(dataset, Cell(), 8)
    for steps in (1, 8):
        with pytest.raises(WrongPeer, match=rf"^{name} is off by .* times what rounding explains$"):
            verified(work, changed(name, 1.01), reference_steps(work, steps))


def test_batches_in_another_order_are_refused(dataset: Dataset) -> None:
    work = prepare(dataset, Cell(), 8)
    backwards = dataclasses.replace(work, rows=work.rows[::-1].copy())
    with pytest.raises(WrongPeer, match="loss"):
        verified(
            work, lambda _, steps: PEERS[REFERENCE](backwards, steps), reference_steps(work, 1)
        )


def test_a_peer_that_cannot_run_is_left_out_with_its_reason(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    measured, session = measure(dataset, REFERENCE, "C, tiled")
    assert list(measured.timed) == [REFERENCE]
    last = table.text(session).splitlines()[-1]
    assert last == "Left out: C, tiled: no C compiler: install one, or name it in CC."


def test_jax_is_left_out_where_it_is_not_installed(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(Absent, match=r"^JAX is not installed: pip install 'handgrad\[bench\]'$"):
        PEERS["JAX, jit + scan"](prepare(dataset, Cell(8, 4), 2), 1)


def test_the_clock_that_is_given_is_the_one_that_is_shown(dataset: Dataset) -> None:
    ticks = iter(range(10**6))  # one second each time it is read
    work = prepare(dataset, Cell(8, 4), timing.MOST_STEPS)
    measured = timing.measure(
        work, {REFERENCE: PEERS[REFERENCE]}, REFERENCE, 0, lambda: next(ticks)
    )
    timed = measured.timed[REFERENCE]
    # a clock of whole seconds: what is left is the rounding of a few divisions in float64
    assert timed.microseconds == pytest.approx(1e6 / measured.steps_a_block)
    assert (timed.low, timed.times_faster, timed.high) == (1, 1, 1)
    assert timed.gflops == pytest.approx(work.flops / (timed.microseconds * 1e3))


def test_tables_and_pictures_are_made_of_one_cell_and_of_many(
    dataset: Dataset, tmp_path: Path
) -> None:
    measured, session = measure(dataset, REFERENCE, "ours, fused")
    many = dataclasses.replace(
        session,
        cells=(measured, dataclasses.replace(measured, cell=Cell(16, 4, 6))),
    )
    for content, path in ((session, tmp_path / "one.png"), (many, tmp_path / "many.svg")):
        picture.draw(content, path)
        assert path.stat().st_size > 1000
        page = table.markdown(content)
        rows = [line for line in page.splitlines() if line.startswith("| ours, fused |")]
        assert len(rows) == len(content.cells)
    assert "n_hidden 16, batch 4, depth 6" in table.text(many)


def test_the_jobs_ratio_is_of_cpu_time() -> None:
    runs = [(Spent(9.0, 1.0), Spent(9.0, 8.0)), (Spent(9.0, 2.0), Spent(9.0, 8.0))]
    job = Job(4, Spent(5.0, 4.0), [*runs, runs[0]], Spent(3.0, 6.0), [Spent(2.0, 1.5)])
    assert _lines(10, None, job) == [
        "10 steps, process start to samples                  wall s        CPU s",
        "one core: the lecture's script                         9.0          8.0",
        "one core: handgrad train, its default engine           9.0          1.0",
        "one core: the same with empty caches                   5.0          4.0",
        "all cores, 4: the same with filled caches              2.0          1.5",
        "all cores, 4: the same with empty caches               3.0          6.0",
        "times faster on one core, by CPU time, median of 3: 8.00",
    ]


def measure(dataset: Dataset, *names: str) -> tuple[timing.Measured, table.Session]:
    ticks = iter(range(10**6))
    chosen = {name: PEERS[name] for name in names}
    work = prepare(dataset, Cell(8, 4), timing.MOST_STEPS)
    measured = timing.measure(work, chosen, REFERENCE, 0, lambda: next(ticks))
    return measured, table.Session("a machine", 1, "ticks", 50.0, {"torch": "2"}, (measured,))
