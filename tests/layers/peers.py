"""PyTorch's version of each layer: PEERS[name](*inputs, **attributes)."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.layers import batchnorm as own_batchnorm
from handgrad.layers import dropout as own_dropout


def batchnorm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    dims = tuple(range(x.dim() - 1))
    mean, std = x.mean(dims), (x.var(dims) + own_batchnorm.EPS).sqrt()
    return (x - mean) / std * gain + bias


def cross_entropy(logits: Tensor, targets: Tensor, *, ignoring: bool = False) -> Tensor:
    rows = logits.reshape(-1, logits.shape[-1])
    return F.cross_entropy(rows, targets.reshape(-1).clamp(min=-1), ignore_index=-1)


def dropout(x: Tensor, key: Tensor, *, p: float, number: int) -> Tensor:
    """By the same mask; test_dropout.py tests the mask itself."""
    return x * own_dropout.mask(x, key, p, number) / (1 - p)


def position_embedding(x: Tensor, offsets: Tensor, P: Tensor) -> Tensor:
    return torch.cat([row + P[: len(row)] for row in x.split(offsets.diff().tolist())])


def causal_mean(x: Tensor, offsets: Tensor) -> Tensor:
    """As in makemore: attention with equal weights."""

    def mean(word: Tensor) -> Tensor:
        there = torch.ones(len(word), len(word), dtype=torch.bool).tril()
        weights = torch.zeros(there.shape, dtype=word.dtype).masked_fill(~there, -torch.inf)
        return weights.softmax(1) @ word

    return torch.cat([mean(word) for word in x.split(offsets.diff().tolist())])


def attention(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, *, heads: int) -> Tensor:
    """By PyTorch's own, word by word."""
    lengths = offsets.diff().tolist()
    outs = []
    for word in zip(*(x.split(lengths) for x in (q, k, v)), strict=True):
        by_head = [x.unflatten(1, (heads, -1)).transpose(0, 1) for x in word]
        out = F.scaled_dot_product_attention(*by_head, is_causal=True)
        outs.append(out.transpose(0, 1).flatten(1))
    return torch.cat(outs)


def recurrent(cell: Callable[..., tuple[Tensor, ...]]) -> Callable[..., Tensor]:
    """Return the layer of a cell, word by word and character by character."""

    def layer(x: Tensor, offsets: Tensor, *others: Tensor, truncate: int = 0) -> Tensor:
        *starts, W, b = others
        outs = []
        for word in x.split(offsets.diff().tolist()):
            states = tuple(starts)
            for t, character in enumerate(word):
                if truncate and t and t % truncate == 0:
                    states = tuple(state.detach() for state in states)
                states = cell(character[None], states, W, b)
                outs.append(states[0])
        return torch.cat(outs)

    return layer


def rnn_cell(x: Tensor, states: tuple[Tensor, ...], W: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    channels = x.shape[1]
    zero = torch.zeros_like(b)
    return (torch.rnn_tanh_cell(x, states[0], W[:channels].t(), W[channels:].t(), b, zero),)


def gru_cell(x: Tensor, states: tuple[Tensor, ...], W: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """As in makemore: PyTorch's multiplies by r after the product, not before."""
    (hprev,) = states
    (Wr, Wz, Wh), (br, bz, bh) = W.chunk(3, 1), b.chunk(3)
    xh = torch.cat([x, hprev], 1)
    r, z = torch.sigmoid(xh @ Wr + br), torch.sigmoid(xh @ Wz + bz)
    hbar = torch.tanh(torch.cat([x, r * hprev], 1) @ Wh + bh)
    return ((1 - z) * hprev + z * hbar,)


def lstm_cell(x: Tensor, states: tuple[Tensor, ...], W: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    channels = x.shape[1]
    zero = torch.zeros_like(b)
    return torch.lstm_cell(x, states, W[:channels].t(), W[channels:].t(), b, zero)


PEERS: dict[str, Callable[..., Any]] = {
    "embedding": F.embedding,
    "join": lambda x, **_: x.flatten(1),
    "linear": lambda x, W, b=None: F.linear(x, W.t(), b),
    "batchnorm": batchnorm,
    "tanh": torch.tanh,
    "softmax_cross_entropy": cross_entropy,
    "layernorm": lambda x, gain, bias: F.layer_norm(x, gain.shape, gain, bias, 1e-5),
    "rmsnorm": lambda x, gain=None: F.rms_norm(x, x.shape[-1:], gain, 1e-5),
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": lambda x, exact: F.gelu(x, approximate="none" if exact else "tanh"),
    "add": torch.add,
    "split": lambda x: x.chunk(3, -1),
    "flatten_consecutive": lambda x, k: x.unflatten(1, (-1, k)).flatten(2),
    "dropout": dropout,
    "position_embedding": position_embedding,
    "causal_mean": causal_mean,
    "tied_linear": lambda x, C, b=None: F.linear(x, C, b),
    "attention": attention,
    "rnn": recurrent(rnn_cell),
    "gru": recurrent(gru_cell),
    "lstm": recurrent(lstm_cell),
}
