"""LAYERS: name -> module. A layer is a pair of pure functions, in steps and in closed form.

Every module has
- INPUTS: the names of forward's arguments; NODES: the named steps of its chunked forward, the
  output last;
- forward(*inputs) -> (out, cache) and backward(dout, cache) -> one gradient per input, in order,
  None for an input without a gradient (indices, targets, no bias): the closed forms;
- forward_chunked(*inputs) -> (out, cache) and backward_chunked(dout, cache) -> gradients by name,
  of the inputs and of every node except the output: one elementary step per line, in the names of
  the notebooks.

What not every layer needs:
- OUTPUTS: the names of several outputs, the last of NODES; out and dout are then tuples;
- attributes such as the number of heads: keyword-only parameters of each function that uses them;
- STATE: names of numbers that training moves without a gradient, with
  update_state(state, cache) -> state, and moments(*inputs) -> (rows, mean, squared differences),
  from which the state of a whole split is computed;
- evaluate(*inputs, *state) -> out, where evaluation differs from training;
- step(*inputs, t=, carried=) -> (out, carried), where a character's output depends on its position
  t or on earlier ones: inputs are one character of each of B words, `carried` tensors by name, {}
  at the first;
- inputs `offsets`, where the words of a packed batch begin, and `key`, the seed and the step, from
  which alone random layers draw.

backward changes neither its cache nor dout, and its results share no memory with them.
Letters in shapes: B batch, T characters of context (block_size), N characters of a batch of words,
C channels in, H channels out, V symbols, E embedding (n_embd).
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

from torch import Tensor

from handgrad.layers import (
    add,
    batchnorm,
    causal_mean,
    dropout,
    embedding,
    flatten_consecutive,
    gelu,
    join,
    layernorm,
    linear,
    position_embedding,
    relu,
    rmsnorm,
    sigmoid,
    softmax_cross_entropy,
    split,
    tanh,
    tied_linear,
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
    "layernorm": cast(Layer, layernorm),
    "rmsnorm": cast(Layer, rmsnorm),
    "relu": cast(Layer, relu),
    "sigmoid": cast(Layer, sigmoid),
    "gelu": cast(Layer, gelu),
    "add": cast(Layer, add),
    "split": cast(Layer, split),
    "flatten_consecutive": cast(Layer, flatten_consecutive),
    "dropout": cast(Layer, dropout),
    "position_embedding": cast(Layer, position_embedding),
    "causal_mean": cast(Layer, causal_mean),
    "tied_linear": cast(Layer, tied_linear),
}
