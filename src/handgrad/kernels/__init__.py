"""KERNELS: name -> module, named as in LAYERS: the closed forms on preallocated memory, by numba.

CONTRIBUTING.md, "The layer contract", says what every module has. Kernels overwrite their outputs
completely, except the gradients of inputs in ADDS where `add_x` is true: to those they add.

All arrays are C-contiguous. Letters in shapes are those of `handgrad.layers`. Nothing here imports
torch.
"""

from types import ModuleType

from handgrad.kernels import (
    add,
    attention,
    batchnorm,
    causal_mean,
    dropout,
    embedding,
    flatten_consecutive,
    gelu,
    gru,
    join,
    layernorm,
    linear,
    lstm,
    position_embedding,
    relu,
    rmsnorm,
    rnn,
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
    "attention": attention,
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
}
