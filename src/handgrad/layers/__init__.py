"""LAYERS: name -> module. A layer is a pair of pure functions, in steps and in closed form.

Every module has
- INPUTS: the names of forward's arguments; NODES: the named steps of its chunked forward, the
  output last;
- forward(*inputs) -> (out, cache) and backward(dout, cache) -> one gradient per input, in order,
  None for an input without a gradient (indices, targets, no bias): the closed forms;
- forward_chunked(*inputs) -> (out, cache) and backward_chunked(dout, cache) -> gradients by name,
  of the inputs and of every node except the output: one elementary step per line, in the names of
  the notebooks.

backward changes neither its cache nor dout, and its results share no memory with them.
Letters in shapes: B batch, T characters of context (block_size), C channels in, H channels out,
V symbols, E embedding (n_embd).
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

from torch import Tensor

from handgrad.layers import (
    attention,
    batchnorm,
    embedding,
    gru,
    join,
    linear,
    lstm,
    rnn,
    softmax_cross_entropy,
    tanh,
)

Cache = dict[str, Tensor]
Gradients = dict[str, Tensor]


class Layer(Protocol):
    """What every module in LAYERS offers; the arguments of `forward` are the layer's INPUTS."""

    INPUTS: tuple[str, ...]
    NODES: tuple[str, ...]
    forward: Callable[..., tuple[Tensor, Any]]
    backward: Callable[[Tensor, Any], tuple[Tensor | None, ...]]
    forward_chunked: Callable[..., tuple[Tensor, Cache]]
    backward_chunked: Callable[[Tensor, Cache], Gradients]


LAYERS: dict[str, Layer] = {
    "embedding": cast(Layer, embedding),
    "join": cast(Layer, join),
    "linear": cast(Layer, linear),
    "batchnorm": cast(Layer, batchnorm),
    "tanh": cast(Layer, tanh),
    "softmax_cross_entropy": cast(Layer, softmax_cross_entropy),
    "attention": cast(Layer, attention),
    "rnn": cast(Layer, rnn),
    "gru": cast(Layer, gru),
    "lstm": cast(Layer, lstm),
}
