"""The limit of threads, the chosen number, and that no bit depends on it."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from handgrad.data import Batches, open_dataset
from handgrad.engine.compiled.inference import CompiledInference
from handgrad.engine.compiled.memory import copied
from handgrad.engine.compiled.step import TrainingStep
from handgrad.engine.compiled.threads import Pace, at_most, has_large_products, threads
from handgrad.models import GRU, MLP, Transformer, WaveNet
from handgrad.optim import OPTIMIZERS, Hyperparameters

WIDE = MLP(27, n_hidden=1024, n_layer=2)


def test_which_products_are_large() -> None:
    assert not has_large_products(MLP(27), 32)
    assert has_large_products(MLP(27), 4096)
    assert has_large_products(WIDE, 32)
    # not a row for each example: one for each character, or for each pair of neighbours
    assert not has_large_products(GRU(27), 32)
    assert has_large_products(Transformer(27, n_embd=128), 32)
    assert has_large_products(WaveNet(27), 256)


def test_the_limit_applies_within_the_block() -> None:
    before = at_most()
    with threads(3, MLP(27), 32):
        assert at_most() == 3
        with threads(2, MLP(27), 32):
            assert at_most() == 2
        assert at_most() == 3
    assert at_most() == before


def test_the_default_is_one_thread() -> None:
    command = "from handgrad.engine.compiled.threads import at_most; assert at_most() == 1"
    subprocess.run([sys.executable, "-c", command], check=True)


@pytest.mark.parametrize("n", [1, 2])
def test_blas_has_one_thread(n: int) -> None:
    with threads(n, WIDE, 32):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert any("scipy" in pool["filepath"] for pool in pools)
        assert {pool["num_threads"] for pool in pools} == {1}


WITHOUT_SCIPY = """\
import sys
from handgrad.engine.compiled.threads import threads
from handgrad.models import MLP
with threads(2, MLP(27), 32):
    assert "scipy.linalg" not in sys.modules
"""


def test_a_small_model_loads_no_blas() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_SCIPY], check=True)


ODD = MLP(27, n_hidden=37, n_layer=5, hidden_bias=False, batchnorm_output=True)
MODELS = {
    "lecture": (MLP(27), 32, "adamw"),
    "odd": (ODD, 77, "sgd"),
    "fewer rows than threads": (MLP(27, n_hidden=64, batchnorm=False), 2, "sgd"),
    "by columns": (MLP(27, n_hidden=400, n_layer=2), 5, "sgd"),
    "by BLAS": (WIDE, 32, "sgd"),
}
"""All but the first have the layers of a model in verify/models.py: no more steps to compile."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("model", "rows", "optimizer"), MODELS.values(), ids=MODELS)
def test_training_and_its_losses_are_the_same_to_the_last_bit(
    model: MLP, rows: int, optimizer: str, dtype: str
) -> None:
    dataset = open_dataset("names")
    steps = 3 if model is WIDE else 20
    positions = Batches(dataset, "train", rows, 3, seed=1).positions(0, steps).reshape(steps, rows)
    results = []
    for n in (1, 2, 3, 8):
        params, state = (copied(arrays, dtype) for arrays in model.initialise("exercise", seed=1))
        moments = OPTIMIZERS[optimizer].tensors(params)
        with threads(n, model, rows):
            hyper = Hyperparameters(weight_decay=0.01)
            step = TrainingStep(model, rows, params, state, moments, optimizer, hyper)
        step._pace.timed = lambda steps_by, n=n: steps_by(n)  # all of them, whether they help
        losses = step.run(dataset.tokens, positions, np.full((steps, 3), 0.1))
        results.append({**params, **state, **moments, "losses": losses})
    for other in results[1:]:
        for name, value in results[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("model", "rows"), [(MLP(27), 5000), (WIDE, 1300)], ids=["lecture", "wide"]
)
def test_evaluation_is_the_same_to_the_last_bit(model: MLP, rows: int) -> None:
    """Three pieces of rows for three threads."""
    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(0, 27, (rows, 3)), rng.integers(0, 27, rows)
    results = []
    for n in (1, 3):
        params, state = (copied(arrays, "float32") for arrays in model.initialise("exercise"))
        with threads(n, model, 32):
            inference = CompiledInference(model, params, state)
        statistics = inference.calibrate(lambda: iter([inputs, inputs[:1]]))
        results.append((inference.loss_sum(inputs, targets), statistics))
    assert results[0][0] == results[1][0]
    for name, value in results[0][1].items():
        np.testing.assert_array_equal(results[1][1][name], value, err_msg=name)


class Machine:
    """Steps that take `seconds(threads)` each, by a simulated clock."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.seconds, self.time = seconds, 0.0
        self.taken: list[int] = []
        self.spent: dict[int, float] = Counter()

    def calls(self, pace: Pace, count: int) -> list[int]:
        """Return the numbers of threads of that many calls."""
        self.taken = []
        for _ in range(count):
            steps = pace.steps(100)
            assert pace.timed(lambda n, steps=steps: self.took(n, steps)) == steps
        return self.taken

    def took(self, n: int, steps: int) -> int:
        self.taken.append(n)
        self.time += steps * self.seconds(n)
        self.spent[n] += steps * self.seconds(n)
        return steps


@pytest.mark.parametrize(
    ("most", "seconds", "best"),
    [
        (8, lambda n: 0.01 / n, 8),
        (6, lambda n: 0.01 / n, 6),
        (8, lambda n: 0.01 * (1 + abs(n - 4)), 4),
        (8, lambda n: 0.01 * n, 1),
        (2, lambda n: 0.01 * (1, 0.95)[n - 1], 1),  # a twentieth is not worth a CPU
        (1, lambda n: 0.01, 1),
        (8, lambda n: 1e-6 / n, 1),  # too short to tell
    ],
)
def test_the_fastest_number_is_found(most: int, seconds: Callable[[int], float], best: int) -> None:
    machine = Machine(seconds)
    pace = Pace(most, lambda: machine.time)
    machine.calls(pace, 100)
    taken = machine.calls(pace, 2000)
    assert set(taken) <= {2**n for n in range(most.bit_length())} | {most}
    # others are tried, ever more rarely
    assert taken.count(best) >= 0.97 * len(taken)


def test_a_probe_takes_little_time() -> None:
    machine = Machine(lambda n: 0.001 * n**3)  # the more threads, the slower by far
    pace = Pace(2, lambda: machine.time)
    machine.calls(pace, 8)
    # three looks of 0.02 seconds, or fewer, at what a step by one takes
    assert 0 < machine.spent[2] <= 3 * 0.02 * 2**3
    machine.calls(pace, 3000)
    assert machine.spent[2] < 0.01 * machine.time


def test_it_changes_when_the_machine_does() -> None:
    machine = Machine(lambda n: 0.01 / n)
    pace = Pace(4, lambda: machine.time)
    machine.calls(pace, 3000)
    machine.seconds = lambda n: 0.01 * n**2  # other programs use the CPUs
    assert machine.calls(pace, 50)[-20:].count(1) >= 17  # another is tried now and then
    machine.seconds = lambda n: 0.01 / n
    assert machine.calls(pace, 3000)[-1] == 4
