"""Our models in ordinary PyTorch, words padded to block_size, loss by F.cross_entropy.

FORWARDS: name -> (model, params, state, inputs) -> (logits, state). B words, T characters of a
word, C channels, H hidden units, V symbols.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.constants import BATCHNORM_EPS, NORM_EPS

Tensors = dict[str, Tensor]
Forward = Callable[[Any, Tensors, Tensors, Tensor], tuple[Tensor, Tensors]]


def loss_of(
    model: Any, p: Tensors, state: Tensors, inputs: Tensor, targets: Tensor
) -> tuple[Tensor, Tensors]:
    """Return the loss in nats per character and the new state of batch normalisation."""
    logits, state = FORWARDS[model.name](model, p, state, inputs)
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=-1), state


def _bigram(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    return p["C"][inputs], state


def _bow(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    time = inputs.shape[1]
    x = p["C"][inputs] + p["P"][:time]  # (B, T, C)
    counts = torch.arange(1, time + 1, device=x.device, dtype=x.dtype)
    weights = torch.ones(time, time, dtype=x.dtype, device=x.device).tril() / counts[:, None]
    x = x + weights @ x
    x = x + _linear(p, "2", torch.tanh(_linear(p, "1", x)))
    return _linear(p, "3", x), state


def _mlp(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    h = p["C"][inputs].flatten(1)
    after: Tensors = {}
    for layer in range(1, model.n_layer + 1):
        h = _linear(p, f"{layer}", h)
        if model.batchnorm:
            suffix = "" if model.n_layer == 1 else f"_{layer}"
            h, moved = _batchnorm(p, state, suffix, h, model.momentum)
            after |= moved
        h = torch.tanh(h)
    return _linear(p, f"{model.n_layer + 1}", h), after


def _wavenet(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    h = p["C"][inputs]  # (B, T, C)
    after: Tensors = {}
    for layer in range(1, model.n_layer + 1):
        pairs = h.reshape(h.shape[0], h.shape[1] // 2, -1)
        h, moved = _batchnorm(p, state, f"_{layer}", pairs @ p[f"W{layer}"], model.momentum)
        h, after = torch.tanh(h), after | moved
    return _linear(p, f"{model.n_layer + 1}", h.squeeze(1)), after


def _recurrent(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    x = p["C"][inputs]  # (B, T, C)
    for layer in range(1, model.n_layer + 1):
        channels = x.shape[-1]
        W = p[f"W{layer}"]
        # the product with x is one for all characters
        parts = (x @ W[:channels] + p[f"b{layer}"]).unbind(1)
        carried = tuple(p[f"{start}_{layer}"] for start in model.starts)
        carried = tuple(start.expand(len(inputs), -1) for start in carried)
        states = []
        for part in parts:
            carried = CELLS[model.name](part, carried, W[channels:])
            states.append(carried[0])
        x = torch.stack(states, 1)
    return _linear(p, f"{model.n_layer + 1}", x), state


def _rnn(part: Tensor, carried: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    return (torch.tanh(part + carried[0] @ W),)


def _gru(part: Tensor, carried: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    h, width = carried[0], W.shape[0]
    r, z = torch.sigmoid(part[:, : 2 * width] + h @ W[:, : 2 * width]).chunk(2, 1)
    hbar = torch.tanh(part[:, 2 * width :] + (r * h) @ W[:, 2 * width :])
    return (torch.lerp(h, hbar, z),)


def _lstm(part: Tensor, carried: tuple[Tensor, ...], W: Tensor) -> tuple[Tensor, ...]:
    h, c = carried
    i, f, g, o = (part + h @ W).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


CELLS = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}


def _transformer(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], p[f"gain_{name}"], p[f"bias_{name}"], NORM_EPS)

    x = p["C"][inputs] + p["P"][: inputs.shape[1]]
    for layer in range(1, model.n_layer + 1):
        qkv = _linear(p, f"qkv_{layer}", norm(f"norm1_{layer}", x))
        x = x + _linear(p, f"o_{layer}", _attention(qkv, model.n_head))
        hpreact = _linear(p, f"1_{layer}", norm(f"norm2_{layer}", x))
        x = x + _linear(p, f"2_{layer}", F.gelu(hpreact, approximate="tanh"))
    return norm("norm", x) @ p["Wout"], state


def _microgpt(model: Any, p: Tensors, state: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    def norm(x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPS)

    x = norm(p["C"][inputs] + p["P"][: inputs.shape[1]])
    for layer in range(1, model.n_layer + 1):
        mixed = _attention(norm(x) @ p[f"Wqkv_{layer}"], model.n_head)
        x = x + mixed @ p[f"Wo_{layer}"]
        x = x + torch.relu(norm(x) @ p[f"W1_{layer}"]) @ p[f"W2_{layer}"]
    return x @ p["Wout"], state


def _attention(qkv: Tensor, heads: int) -> Tensor:
    q, k, v = (part.view(*qkv.shape[:2], heads, -1).transpose(1, 2) for part in qkv.chunk(3, -1))
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, heads, T, T)
    time = qkv.shape[1]
    future = torch.ones(time, time, dtype=torch.bool, device=qkv.device).triu(1)
    weights = scores.masked_fill(future, -torch.inf).softmax(-1)
    mixed: Tensor = weights @ v
    return mixed.transpose(1, 2).flatten(2)


def _linear(p: Tensors, name: str, x: Tensor) -> Tensor:
    product: Tensor = x @ p[f"W{name}"]
    return product + p[f"b{name}"]


def _batchnorm(
    p: Tensors, state: Tensors, suffix: str, x: Tensor, momentum: float
) -> tuple[Tensor, Tensors]:
    rows = x.flatten(0, -2)
    mean, var = rows.mean(0, keepdim=True), rows.var(0, keepdim=True)
    out = p[f"bngain{suffix}"] * (x - mean) * torch.rsqrt(var + BATCHNORM_EPS)
    names = f"bnmean_running{suffix}", f"bnvar_running{suffix}"
    batch = zip(names, (mean.detach(), var.detach()), strict=True)
    return out + p[f"bnbias{suffix}"], {n: torch.lerp(state[n], x, momentum) for n, x in batch}


FORWARDS: dict[str, Forward] = {
    "bigram": _bigram,
    "bow": _bow,
    "mlp": _mlp,
    "wavenet": _wavenet,
    "rnn": _recurrent,
    "gru": _recurrent,
    "lstm": _recurrent,
    "transformer": _transformer,
    "microgpt": _microgpt,
}
