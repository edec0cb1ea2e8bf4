"""KERNELS: name -> module, named as in LAYERS: the closed forms on preallocated memory, by numba.

Every module has
- NODES: the layer's names of its steps, some of which it keeps;
- memory(*shapes of the inputs) -> shapes by name: the nodes that it keeps, the output, and scratch;
- forward and backward, whose parameters are, by name, the layer's inputs, nodes and scratch, and
  `d` + a name for a gradient. Outputs are overwritten completely.

All arrays are C-contiguous. Letters in shapes are those of `handgrad.layers`. Nothing here imports
torch.
"""

from types import ModuleType

from handgrad.kernels import (
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

KERNELS: dict[str, ModuleType] = {
    "embedding": embedding,
    "join": join,
    "linear": linear,
    "batchnorm": batchnorm,
    "tanh": tanh,
    "softmax_cross_entropy": softmax_cross_entropy,
    "attention": attention,
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
}
