"""The limits of every range of sizes, against the fused engine in float64."""

import pytest
import torch

from handgrad.engine import Batch, to_tensors
from handgrad.engine.compiled.spine import Compiled
from handgrad.engine.compiled.threads import threads
from handgrad.engine.fused import Fused
from handgrad.models import MLP

CASES = {
    "all ones": (MLP(2, block_size=1, n_embd=1, n_hidden=1), 2),
    "one row": (MLP(27, batchnorm=False), 1),
    "10,000 symbols": (MLP(10_000), 32),
    "64 characters": (MLP(27, block_size=64), 33),
    "4096 wide": (MLP(27, n_hidden=4096), 32),
    "65,536 rows": (MLP(27, n_hidden=64), 65_536),
    "no hidden layer": (MLP(5, n_layer=0), 32),
    "five": (MLP(27, n_hidden=30, n_layer=5, hidden_bias=False, batchnorm_output=True), 7),
    "products by BLAS": (MLP(27, n_hidden=513, n_layer=2), 65),
}


@pytest.mark.parametrize(("model", "rows"), CASES.values(), ids=CASES)
def test_it_agrees_with_the_fused_engine(model: MLP, rows: int) -> None:
    params, state = (to_tensors(x, torch.float64) for x in model.initialise("exercise", 1))
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, model.vocab_size, (rows, model.block_size), generator=generator)
    batch = Batch(inputs, torch.randint(0, model.vocab_size, (rows,), generator=generator))
    with threads(1, model, rows):
        loss, grads, moved = Compiled(model).loss_and_grads(params, state, batch)
    with threads(3, model, rows):
        together = Compiled(model).loss_and_grads(params, state, batch)
    for alone, shared in zip((loss, grads, moved), together, strict=True):
        torch.testing.assert_close(shared, alone, rtol=0, atol=0)
    expected, truth, state = Fused(model).loss_and_grads(params, state, batch)
    # sums of up to 65,536 terms in another order; the gradient of a bias before batchnorm is the
    # rounding of a sum that is 0, so that all are measured by the largest
    largest = max(gradient.abs().max() for gradient in truth.values())
    torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)
    for name, gradient in truth.items():
        assert (grads[name] - gradient).abs().max() < 1e-11 * largest, name
    for name, value in state.items():
        torch.testing.assert_close(moved[name], value, rtol=1e-12, atol=1e-14)
