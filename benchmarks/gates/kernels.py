"""The forty kernels of the table: a name, the function, its reference, its inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.gates import right as r
from benchmarks.gates import wrong as w


@dataclass(frozen=True)
class Kernel:
    """One function. `wrong` says what is wrong; "" if nothing is."""

    name: str
    apply: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: dict[str, str]
    wrong: str = ""


X = {"x": "B C"}
NORM = {"x": "B C", "weight": "C", "bias": "C"}
RMS = {"x": "B C", "weight": "C"}
LOSS = {"logits": "N V", "targets": "N < V"}
IGNORE = {"logits": "N V", "targets": "N < V or -100"}
LINEAR = {"x": "N I", "weight": "O I", "bias": "O"}
TABLE = {"index": "N < V", "table": "V C"}
GATED = {"gate": "B C", "up": "B C"}
QKV = {"q": "T D", "k": "S D", "v": "S D"}
TANH = r.elementwise(torch.tanh, lambda x: 1 - x.tanh() ** 2)
GELU = r.elementwise(F.gelu, r.gelu_local)
CAP = r.elementwise(r.softcap, lambda x: 1 - (x / 5).tanh() ** 2)
RIGHT: list[tuple[str, Any, Any, Any, dict[str, str]]] = [
    ("softmax", r.softmax_forward, r.softmax_backward, lambda x: x.softmax(-1), X),
    ("layer norm", r.norm_forward, r.norm_backward, r.layer_norm, NORM),
    ("RMS norm", r.rms_forward, r.rms_backward, r.rms_norm, RMS),
    ("cross entropy", r.entropy_forward, r.entropy_backward, F.cross_entropy, LOSS),
    ("cross entropy, ignore_index", r.ignoring_forward, r.ignoring_backward, r.ignoring, IGNORE),
    ("linear", r.linear_forward, r.linear_backward, F.linear, LINEAR),
    ("embedding", r.embedding_forward, r.embedding_backward, r.lookup, TABLE),
    ("std", r.std_forward, r.std_backward, r.std, X),
    ("SwiGLU", r.gated_forward, r.gated_backward, r.swiglu, GATED),
    ("attention", r.attention_forward, r.attention_backward, r.attention, QKV),
    ("gelu", *GELU, F.gelu, X),
    ("tanh", *TANH, torch.tanh, X),
    ("softcap", *CAP, r.softcap, X),
    ("relu", r.relu_forward, r.relu_backward, torch.relu, X),
    ("exp", *r.elementwise(torch.exp, torch.exp), torch.exp, X),
    ("square", *r.elementwise(torch.square, lambda x: 2 * x), torch.square, X),
    ("sigmoid", *r.elementwise(torch.sigmoid, lambda x: x.sigmoid() * (1 - x.sigmoid())),
     torch.sigmoid, X),
    ("sin", *r.elementwise(torch.sin, torch.cos), torch.sin, X),
    ("softplus", *r.elementwise(F.softplus, torch.sigmoid), F.softplus, X),
    ("silu", *r.elementwise(F.silu, lambda x: x.sigmoid() * (1 + x * (1 - x.sigmoid()))),
     F.silu, X),
]  # fmt: skip
WRONG: list[tuple[str, Any, Any, str]] = [
    ("softmax", w.zeros_forward, r.softmax_backward, "forward returns zeros"),
    ("softmax", r.softmax_forward, w.softmax_without_sum, "backward without the sum over the row"),
    ("softmax", w.softmax_cached, r.softmax_backward, "results kept by shape"),
    ("softmax", r.softmax_forward, w.softmax_scalar, "upstream gradient read once for each row"),
    ("layer norm", r.norm_forward, w.norm_constants, "statistics treated as constants"),
    ("layer norm", w.norm_block, r.norm_backward, "last columns lost unless C is a multiple of 64"),
    ("RMS norm", w.rms_eps, r.rms_backward, "eps outside the root"),
    ("RMS norm", r.rms_forward, w.rms_no_weight, "no gradient of the weight"),
    ("RMS norm", w.rms_half, r.rms_backward, "mean in bfloat16"),
    ("cross entropy", r.entropy_forward, w.entropy_sum, "gradient of the sum, not of the mean"),
    ("cross entropy", r.entropy_forward, w.entropy_ones, "upstream gradient taken for 1"),
    ("cross entropy, ignore_index", r.ignoring_forward, w.ignoring_all, "mean over ignored rows"),
    ("embedding", r.embedding_forward, w.embedding_assigns, "assigns where rows occur twice"),
    ("linear", r.linear_forward, w.linear_no_bias, "gradient of the bias is not summed"),
    ("std", r.std_forward, w.std_bessel, "n in place of n - 1"),
    ("SwiGLU", w.gated_storage, r.gated_backward, "right for contiguous inputs only"),
    ("attention", r.attention_forward, w.attention_scale, "1/sqrt(d) missing in backward"),
    ("gelu", r.elementwise(w.gelu_tanh, r.gelu_local)[0], GELU[1], "tanh approximation"),
    ("relu", w.relu_writes, r.relu_backward, "input overwritten"),
    ("relu", r.relu_forward, w.relu_saved, "saved tensor overwritten"),
]


def kernels() -> list[Kernel]:
    """Return all forty, the wrong ones first."""
    known = {name: (reference, inputs) for name, _, _, reference, inputs in RIGHT}
    found = [
        Kernel(name, r.function(forward, backward, "Wrong"), *known[name], wrong)
        for name, forward, backward, wrong in WRONG
    ]
    return found + [
        Kernel(name, r.function(forward, backward, "Right"), reference, inputs)
        for name, forward, backward, reference, inputs in RIGHT
    ]
