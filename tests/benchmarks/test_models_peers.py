"""torch.compile and JAX are peers only if they compute our models: losses and gradients."""

import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.models import jax_forward, torch_forward
from benchmarks.models.jax_step import scan
from benchmarks.models.work import NO_TARGET, padded, prepare
from benchmarks.peers.jax_scan import import_jax
from benchmarks.peers.work import Absent

from handgrad.data import open_dataset
from handgrad.engine import Batch, to_tensors
from handgrad.engine.autograd import Autograd
from handgrad.models import CONTEXTS, MODELS, make_model

SIZES = {
    "mlp": {"n_embd": 3, "n_hidden": 7, "n_layer": 2},
    "wavenet": {"n_embd": 3, "n_hidden": 5},
    "bow": {"n_embd": 5, "n_hidden": 3},
    "bigram": {},
    "transformer": {"n_embd": 6, "n_head": 3, "n_layer": 2},
    "microgpt": {"n_embd": 8, "n_head": 2, "n_layer": 2},
    **{name: {"n_embd": 3, "n_hidden": 5, "n_layer": 2} for name in ("rnn", "lstm", "gru")},
}
WORDS = np.array([0, 3, 7, 11, 500])
"""Words of different lengths."""


def batch_of(name: str) -> tuple[Any, dict[str, torch.Tensor], dict[str, torch.Tensor], Any, Any]:
    """The model, its start in float64, our batch, and the same words or contexts padded."""
    dataset = open_dataset("names")
    model = make_model(name, dataset.vocabulary.size, dataset.longest, SIZES[name])
    params, state = (to_tensors(x, torch.float64) for x in model.initialise("exercise", 1))
    if model.batches == CONTEXTS:
        batch = dataset.contexts(WORDS + 10, model.block_size, model.padding)
        return model, params, state, Batch(*map(torch.from_numpy, batch)), batch
    packed = dataset.packed(dataset.word_starts("train")[WORDS], model.block_size)
    of_peers = padded(*packed, model.block_size)
    return model, params, state, Batch(*map(torch.from_numpy, packed)), of_peers


def test_padding_keeps_every_target() -> None:
    inputs, targets = padded(np.array([0, 1, 0]), np.array([1, 0, 0]), np.array([0, 2, 3]), 3)
    assert inputs.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert targets.tolist() == [[1, 0, NO_TARGET], [0, NO_TARGET, NO_TARGET]]


def test_every_model_has_its_peers() -> None:
    assert set(SIZES) == set(MODELS)
    assert set(torch_forward.FORWARDS) == set(jax_forward.FORWARDS) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_torchs_loss_and_gradients_are_ours(name: str) -> None:
    model, params, state, batch, (inputs, targets) = batch_of(name)
    loss, grads, moved = Autograd(model).loss_and_grads(params, state, batch)
    peer = torch.func.grad_and_value(partial(torch_forward.loss_of, model), has_aux=True)
    tensors = torch.from_numpy(inputs), torch.from_numpy(targets)
    peer_grads, (peer_loss, peer_state) = peer(params, state, *tensors)
    torch.testing.assert_close(peer_loss, loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(peer_grads, grads, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(peer_state, moved, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_jaxs_loss_and_gradients_are_ours(name: str) -> None:
    try:
        jax = import_jax()
    except Absent as absent:
        pytest.skip(str(absent))
    model, params, state, batch, (inputs, targets) = batch_of(name)
    loss, grads, moved = Autograd(model).loss_and_grads(params, state, batch)
    with jax.enable_x64(True):
        of_jax = [{n: jax.numpy.asarray(x.numpy()) for n, x in y.items()} for y in (params, state)]
        peer = jax.value_and_grad(partial(jax_forward.loss_of, jax, model), has_aux=True)
        (peer_loss, peer_state), peer_grads = peer(*of_jax, inputs, targets)
    assert float(peer_loss) == pytest.approx(float(loss), rel=1e-12)
    for expected, actual in ((grads, peer_grads), (moved, peer_state)):
        assert {*actual} == {*expected}
        for key, value in expected.items():
            np.testing.assert_allclose(np.array(actual[key]), value, rtol=1e-9, atol=1e-13)


def test_jax_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(Absent, match=r"^JAX is not installed: pip install 'handgrad\[bench\]'$"):
        scan(prepare("names", "bigram", 2, {}))
