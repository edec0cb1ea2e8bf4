"""The twelve functions of the table, each as an autograd.Function and as a custom_op."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.ordinary import bodies as b

Body = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One function. `wrong` says what is wrong; "" if nothing is."""

    name: str
    forward: Body
    backward: Body
    reference: Body
    inputs: dict[str, str]
    wanted: tuple[str, ...]  # the inputs that get a gradient
    wrong: str = ""

    @property
    def overwrites(self) -> bool:
        """Whether the result is written to the input."""
        return self.forward is b.inplace_tanh

    @property
    def title(self) -> str:
        return f"{self.name}: {self.wrong}" if self.wrong else self.name

    def function(self) -> Body:
        """Return the `apply` of an autograd.Function."""
        body = {
            "forward": staticmethod(self.forward),
            "setup_context": staticmethod(self._saves),
            "backward": staticmethod(self._derives),
        }
        made: Any = type("Ordinary", (torch.autograd.Function,), body)
        return made.apply  # type: ignore[no-any-return]

    def operator(self) -> Any:
        """Return a custom_op; register_autograd refuses a function that overwrites its input."""
        name = f"handgrad_ordinary::{self.forward.__name__}_{'wrong' if self.wrong else 'right'}"
        made = torch.library.custom_op(name, self.forward, mutates_args=())
        made.register_fake(self.forward)
        made.register_autograd(self._derives, setup_context=self._saves)
        return made

    def _saves(self, ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        if self.overwrites:
            ctx.mark_dirty(*inputs)
        ctx.save_for_backward(output, *inputs)

    def _derives(self, ctx: Any, dout: Tensor) -> Any:
        return self.backward(dout, *ctx.saved_tensors)


def _layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def _softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


TABLE: list[tuple[str, Body, Body, Body, Body, dict[str, str], tuple[str, ...], str]] = [
    ("softmax", b.softmax, b.softmax_backward, b.softmax_wrong, _softmax,
     {"x": "B C"}, ("x",), "without the sum over the row"),
    ("layer norm", b.layer_norm, b.layer_norm_backward, b.layer_norm_wrong, _layer_norm,
     {"x": "B T C", "weight": "C", "bias": "C"}, ("x", "weight", "bias"),
     "mean treated as constant"),
    ("attention", b.attention, b.attention_backward, b.attention_wrong, _attention,
     {"q": "B H T D", "k": "B H T D", "v": "B H T D"}, ("q", "k", "v"),
     "1/sqrt(D) missing in backward"),
    ("rotary", b.rotary, b.rotary_backward, b.rotary_wrong, b.rotary,
     {"x": "B T 2*D", "cos": "T D", "sin": "T D"}, ("x",), "rotates in the same direction"),
    ("cross entropy, ignore_index", b.cross_entropy, b.cross_entropy_backward,
     b.cross_entropy_wrong, F.cross_entropy,
     {"logits": "N V", "targets": "N < V or -100"}, ("logits",), "ignored rows get a gradient"),
    ("in-place tanh", b.inplace_tanh, b.inplace_tanh_backward, b.inplace_tanh_wrong, torch.tanh,
     {"x": "B C"}, ("x",), "input saved after it is overwritten"),
]  # fmt: skip


@cache
def cases() -> tuple[Case, ...]:
    """Return the six right functions, then the six wrong ones."""
    right, wrong = [], []
    for name, forward, backward, mistaken, reference, inputs, wanted, what in TABLE:
        right.append(Case(name, forward, backward, reference, inputs, wanted))
        wrong.append(Case(name, forward, mistaken, reference, inputs, wanted, what))
    return (*right, *wrong)
