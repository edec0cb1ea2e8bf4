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


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
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
}
