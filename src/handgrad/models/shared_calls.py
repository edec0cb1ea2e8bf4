"""Calls of layers that several models make."""

from handgrad.constants import SOFTMAX_CROSS_ENTROPY_NODES
from handgrad.models.call import LayerCall


def loss_call() -> LayerCall:
    """Return the call from the logits to the loss."""
    inputs = ("logits", "targets")
    return LayerCall("softmax_cross_entropy", inputs, SOFTMAX_CROSS_ENTROPY_NODES)


def numbered(nodes: tuple[str, ...], suffix: str, output: str) -> tuple[str, ...]:
    """Return the model's names of a layer's nodes: with a suffix, and `output` the last."""
    return (*(f"{node}_{suffix}" for node in nodes[:-1]), output)


def linear_call(name: str, x: str, output: str, *, bias: bool = True) -> LayerCall:
    """Return the call of the linear layer with the parameters of `linear_parameters`."""
    weights = (f"W{name}", f"b{name}") if bias else (f"W{name}",)
    return LayerCall("linear", (x, *weights), (output,))


def dropout_call(x: str, output: str, p: float, number: int) -> LayerCall:
    """Return the call that drops a share `p` of `x`; `number` tells the model's dropouts apart."""
    return LayerCall("dropout", (x, "key"), (output,), attributes={"p": p, "number": number})
