"""Packed words against the padded form that makemore.py computes: loss and every gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from handgrad.engine import ENGINES, to_tensors
from handgrad.models import make_model
from handgrad.verify.models import random_batch

# float64: sums of a few thousand terms of size 1, in another order
TIGHT = {"rtol": 1e-10, "atol": 1e-11}
Params = dict[str, Tensor]


def transformer(p: Params, x: Tensor, layers: int, heads: int) -> Tensor:
    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], p[f"gain_{name}"], p[f"bias_{name}"])

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ p[f"W{name}"] + p[f"b{name}"]

    for n in range(1, layers + 1):
        qkv = linear(norm(x, f"norm1_{n}"), f"qkv_{n}").chunk(3, -1)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(mixed.transpose(1, 2).flatten(2), f"o_{n}")
        h = functional.gelu(linear(norm(x, f"norm2_{n}"), f"1_{n}"), approximate="tanh")
        x = x + linear(h, f"2_{n}")
    return norm(x, "norm") @ p["Wout"]


def bow(p: Params, x: Tensor) -> Tensor:
    count = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[None, :, None]
    x = x + x.cumsum(1) / count
    x = x + torch.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return x @ p["W3"] + p["b3"]


def rnn(p: Params, x: Tensor) -> Tensor:
    h, states = p["start_1"].expand(len(x), -1), []
    for t in range(x.shape[1]):
        h = torch.tanh(torch.cat([x[:, t], h], 1) @ p["W1"] + p["b1"])
        states.append(h)
    return torch.stack(states, 1) @ p["W2"] + p["b2"]


def position(p: Params, emb: Tensor) -> Tensor:
    return emb + p["P"][: emb.shape[1]]


FORMS: dict[str, Callable[[Params, Tensor], Tensor]] = {
    "bigram": lambda p, emb: emb,
    "bow": lambda p, emb: bow(p, position(p, emb)),
    "rnn": rnn,
    "transformer": lambda p, emb: transformer(p, position(p, emb), layers=2, heads=2),
}
SIZES = {
    "bow": {"n_embd": 6, "n_hidden": 5},
    "rnn": {"n_embd": 5, "n_hidden": 7},
    "transformer": {"n_embd": 8, "n_head": 2, "n_layer": 2},
}


@pytest.mark.parametrize("name", FORMS)
def test_packed_words_equal_padded_ones(name: str) -> None:
    model = make_model(name, 11, 8, SIZES.get(name, {}))
    params = to_tensors(model.initialise("exercise", 1)[0], torch.float64)
    batch = random_batch(model, 13, torch.Generator().manual_seed(5))
    assert batch.offsets is not None
    lengths = batch.offsets.diff()
    exists = torch.arange(int(lengths.max())) < lengths[:, None]  # (B, T)
    padded = torch.zeros(exists.shape, dtype=torch.int64)
    targets = torch.full(exists.shape, -1)
    padded[exists], targets[exists] = batch.inputs, batch.targets

    leaves = {name: x.clone().requires_grad_() for name, x in params.items()}
    logits = FORMS[name](leaves, leaves["C"][padded])
    expected = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
    theirs = torch.autograd.grad(expected, list(leaves.values()))

    loss, grads, _ = ENGINES["fused"](model).loss_and_grads(params, {}, batch)
    torch.testing.assert_close(loss, expected.detach(), **TIGHT)
    for key, gradient in zip(leaves, theirs, strict=True):
        torch.testing.assert_close(grads[key], gradient, **TIGHT)
