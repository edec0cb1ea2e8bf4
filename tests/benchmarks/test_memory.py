"""A run's peak is the process's own, and the bound counts what it says."""

import json
import os
from pathlib import Path

import pytest
from benchmarks.peers import child, memory

from handgrad.models import MLP
from handgrad.processors import available


def test_a_peak_is_that_of_the_process_alone() -> None:
    """This process holds torch: a child of its own would count that as the child's peak."""
    plain, more = (memory.resident("-c", f"x = b'1' * {n}") for n in (1, 30_000_000))
    assert plain < 30e6  # an interpreter's
    assert more - plain == pytest.approx(30e6, abs=2e6)  # pages that start-up happens to touch


def test_a_run_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"exit code 1: ValueError: no$"):
        memory.resident("-c", "raise ValueError('no')")


@pytest.mark.parametrize("n_layer", [1, 2])
def test_activations_are_the_nodes_with_a_row_for_each_example(n_layer: int) -> None:
    """By hand: embeddings and their join, four of the width in each layer, logits and probs."""
    n_hidden, batch_size, vocab_size = 6, 6, 5  # a weight has as many rows as the batch
    model = MLP(vocab_size, n_embd=2, n_hidden=n_hidden, n_layer=n_layer)
    a_row = 2 * model.block_size * 2 + 4 * n_hidden * n_layer + 2 * vocab_size
    assert memory.activation_numbers(model, batch_size) == batch_size * a_row


def test_what_is_measured_is_beyond_the_smallest_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of 5 MB plain, 7 MB and one of 100 MB that compiles."""
    peaks = iter([100e6, 5e6, 5e6, 100e6, 7e6, 7e6])
    started: list[tuple[str, ...]] = []

    def resident(*arguments: str) -> float:
        started.append(arguments)
        return next(peaks)

    monkeypatch.setattr(memory, "resident", resident)
    size = memory.Size(n_hidden=100, batch_size=50)
    lines = memory.compare((size,), 2, tmp_path / "m.json").splitlines()
    [row] = json.loads((tmp_path / "m.json").read_text())["sizes"]
    assert (row["measured"], row["peak"]) == (2, 7)
    bound = 6 * row["parameters"] + 3 * row["activations"]
    assert row["ratio"] == pytest.approx(2 / bound)  # bytes by 10**6 and back: float64's rounding
    assert lines[1].startswith("n_hidden 100, batch 50, depth 1, sgd ")
    assert lines[1].endswith(f"{2 / bound:13.0%}          7.0")
    widths = [words[words.index("--n-hidden") + 1] for words in started]
    assert widths == ["2"] * 3 + ["100"] * 3


def test_a_run_is_measured(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("emma\nolivia\nava\nisabella\nsophia\nmia\n" * 3)
    size = memory.Size(n_hidden=8, batch_size=4, steps=5)
    assert memory._run(memory.MAIN, size, str(words)) > 60e6  # NumPy and numba alone hold that


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are held on Linux alone")
def test_a_child_is_held_to_its_cores() -> None:
    count, before = "import os; print(len(os.sched_getaffinity(0)))", available()
    assert child.run(["-c", count]) == "1\n"
    assert child.run(["-c", count], cores=before) == f"{before}\n"
    assert available() == before
