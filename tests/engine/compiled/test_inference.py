"""Evaluation mode on kernels against torch."""

import numpy as np
import pytest

from handgrad.engine import to_tensors
from handgrad.engine.compiled.inference import CompiledInference
from handgrad.engine.compiled.inference_source import ROWS
from handgrad.engine.torch_inference import TorchInference
from handgrad.models import MLP, Model, make_model

MODELS = [
    pytest.param(MLP(27, n_hidden=64), id="lecture"),
    pytest.param(
        MLP(7, block_size=2, n_embd=3, n_hidden=13, n_layer=2, batchnorm_output=True), id="deep"
    ),
    pytest.param(MLP(5, n_layer=0), id="no hidden layer"),
    pytest.param(
        make_model("wavenet", 5, 4, {"n_embd": 3, "n_hidden": 6}), id="several rows per context"
    ),
]
# float64, sums of at most a few hundred terms in another order
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def pair(model: Model, rows: int | None = None) -> tuple[CompiledInference, TorchInference]:
    params, state = (
        {name: value.astype(np.float64) for name, value in arrays.items()}
        for arrays in model.initialise(
            "exercise" if isinstance(model, MLP) else model.default_init, seed=1
        )
    )
    tensors = [
        {name: to_tensors({name: value})[name].double() for name, value in arrays.items()}
        for arrays in (params, state)
    ]
    return CompiledInference(model, params, state, rows), TorchInference(model, *tensors)


def tokens(model: Model, rows: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1).integers
    return draw(0, model.vocab_size, (rows, model.block_size)), draw(0, model.vocab_size, rows)


@pytest.mark.parametrize("model", MODELS)
def test_losses_logits_and_statistics(model: Model) -> None:
    compiled, by_torch = pair(model)
    for rows in (1, ROWS - 1, ROWS, 3 * ROWS + 5):
        inputs, targets = tokens(model, rows)
        np.testing.assert_allclose(
            compiled.loss_sum(inputs, targets), by_torch.loss_sum(inputs, targets), **TIGHT
        )
        np.testing.assert_allclose(compiled.logits(inputs), by_torch.logits(inputs), **TIGHT)
    inputs, _ = tokens(model, 500)
    batches = [inputs[:7], inputs[7:]]
    ours, theirs = compiled.calibrate(lambda: batches), by_torch.calibrate(lambda: batches)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value.numpy(), **TIGHT)


def test_calibrated_statistics_are_used_at_once() -> None:
    model = MLP(27, n_hidden=64)
    compiled, by_torch = pair(model)
    inputs, _ = tokens(model, 500)
    state = by_torch.calibrate(lambda: [inputs])
    before = compiled.logits(inputs)
    compiled.calibrate(lambda: [inputs])
    after = TorchInference(model, by_torch._params, state).logits(inputs)
    np.testing.assert_allclose(compiled.logits(inputs), after, **TIGHT)
    assert np.abs(before - after).max() > 1e-3


def test_a_row_does_not_depend_on_other_rows() -> None:
    """Nor on the number of rows: sample i depends on (seed, i) alone."""
    model = MLP(27, n_hidden=64)
    inputs, _ = tokens(model, 200)
    whole = pair(model, 64)[0].logits(inputs)
    alone = pair(model, 64)[0]
    for row in (0, 63, 64, 199):
        np.testing.assert_array_equal(alone.logits(inputs[row : row + 1])[0], whole[row])
