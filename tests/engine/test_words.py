"""One character after the other, with what layers carry, equals computing whole words anew."""

import numpy as np
import pytest
import torch

from handgrad.engine import to_tensors
from handgrad.engine.compiled.inference import CompiledInference
from handgrad.engine.torch_inference import TorchInference
from handgrad.models import MODELS, make_model
from interpreted import interpreted

SIZES = {
    "mlp": {"n_hidden": 5},
    "wavenet": {"n_embd": 3, "n_hidden": 5},
    "bow": {"n_embd": 6, "n_hidden": 5},
    "rnn": {"n_embd": 5, "n_hidden": 7, "n_layer": 2},
    "lstm": {"n_embd": 5, "n_hidden": 7},
    "gru": {"n_embd": 5, "n_hidden": 7, "truncate": 3},
    "transformer": {"n_embd": 8, "n_head": 2, "n_layer": 2},
    "microgpt": {"n_embd": 12, "n_head": 3},
}
COUNT, LENGTH = 5, 9
# float64: sums of at most a hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.mark.parametrize("kind", ["torch", "compiled"])
@pytest.mark.parametrize("name", MODELS)
def test_words_equal_the_whole(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(name, 11, LENGTH - 1, SIZES.get(name, {}))
    arrays, state = model.initialise("exercise", 3)
    tokens = np.random.default_rng(0).integers(0, 11, (COUNT, LENGTH))
    if kind == "torch":
        tensors = (to_tensors(x, torch.float64) for x in (arrays, state))
        inference = TorchInference(model, *tensors)
    else:
        monkeypatch.setattr("handgrad.engine.compiled.inference.build", interpreted)
        params, held = ({k: x.astype(np.float64) for k, x in y.items()} for y in (arrays, state))
        inference = CompiledInference(model, params, held)
    words = inference.words(COUNT)
    steps = [words.advance(np.ascontiguousarray(tokens[:, t])).copy() for t in range(LENGTH)]
    if model.batches == "words":
        offsets = np.arange(COUNT + 1) * LENGTH
        whole = inference.logits(tokens.reshape(-1), offsets).reshape(COUNT, LENGTH, -1)
    else:
        before = np.full((COUNT, model.block_size), model.padding)
        row = np.concatenate([before, tokens], axis=1)
        windows = [row[:, t + 1 : t + 1 + model.block_size] for t in range(LENGTH)]
        whole = np.stack([inference.logits(np.ascontiguousarray(w)) for w in windows], 1)
    np.testing.assert_allclose(np.stack(steps, 1), whole, **TIGHT)


@pytest.mark.parametrize("name", ["bigram", "gru", "transformer", "bow"])
def test_losses_do_not_depend_on_where_pieces_end(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(name, 11, LENGTH - 1, SIZES.get(name, {}))
    arrays, _ = model.initialise("exercise", 3)
    rng = np.random.default_rng(1)
    offsets = np.cumsum([0, *rng.integers(1, LENGTH + 1, 300)])
    inputs, targets = rng.integers(0, 11, (2, offsets[-1]))
    expected = TorchInference(model, to_tensors(arrays, torch.float64), {}).loss_sum(
        inputs, targets, offsets
    )
    monkeypatch.setattr("handgrad.engine.compiled.inference.build", interpreted)
    params = {k: x.astype(np.float64) for k, x in arrays.items()}
    loss = CompiledInference(model, params, {}).loss_sum(inputs, targets, offsets)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
