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

KERNELS: dict[str, ModuleType] = {
    "embedding": embedding,
    "join": join,
    "linear": linear,
    "batchnorm": batchnorm,
    "tanh": tanh,
    "softmax_cross_entropy": softmax_cross_entropy,
    "layernorm": layernorm,
    "rmsnorm": rmsnorm,
    "relu": relu,
    "sigmoid": sigmoid,
    "gelu": gelu,
    "add": add,
    "split": split,
    "flatten_consecutive": flatten_consecutive,
    "dropout": dropout,
    "position_embedding": position_embedding,
    "causal_mean": causal_mean,
    "tied_linear": tied_linear,
}
