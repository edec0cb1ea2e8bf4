"""Right hand-written functions: (function, reference, inputs) by name."""

import torch
import torch.nn.functional as F

from checker.functions.kernels.elementwise import Gelu, NumpyExp, Relu, SinCos, SwiGLU, Tanh, swiglu
from checker.functions.kernels.norms import (
    NORM,
    LayerNorm,
    LayerNorm32,
    RMSNorm,
    layer_norm,
    layer_norm_steps,
    rms_norm,
    rms_norm_wide,
)
from checker.functions.kernels.products import Linear, Needed, Picky, ScaledRows
from checker.functions.kernels.rows import Cumsum, Embedding, Flat, Maximum, SortedValues
from checker.functions.kernels.softmax import (
    Attention,
    CrossEntropy,
    CrossEntropyRows,
    Softmax,
    attention,
)

RIGHT = {
    "linear": (Linear.apply, F.linear, {"x": "N I", "weight": "O I", "bias": "O"}),
    "layernorm": (LayerNorm.apply, layer_norm, NORM),
    "layernorm, steps": (LayerNorm.apply, layer_norm_steps, NORM),
    "layernorm in float32": (LayerNorm32.apply, layer_norm, NORM),
    "layernorm of three dimensions": (
        LayerNorm32.apply, layer_norm_steps, {"x": "B T C", "weight": "C", "bias": "C"}),
    "rmsnorm": (RMSNorm.apply, rms_norm, {"x": "B C", "weight": "C"}),
    "rmsnorm, a reference in float32": (RMSNorm.apply, rms_norm_wide, {"x": "B C", "weight": "C"}),
    "cross entropy": (CrossEntropy.apply, F.cross_entropy, {"logits": "N V", "targets": "N < V"}),
    "cross entropy a row": (
        CrossEntropyRows.apply, lambda x, t: F.cross_entropy(x, t, reduction="none"),
        {"logits": "N V", "targets": "N < V"}),
    "gelu": (Gelu.apply, F.gelu, {"x": "N"}),
    "softmax": (Softmax.apply, lambda x: F.softmax(x, -1), {"x": "B C"}),
    "attention": (Attention.apply, attention, {"q": "B T D", "k": "B T D", "v": "B T D"}),
    "embedding": (Embedding.apply, lambda i, t: F.embedding(i, t), {"i": "B T < V", "t": "V C"}),
    "cumsum": (Cumsum.apply, lambda x: torch.cumsum(x, -1), {"x": "B C"}),
    "swiglu": (SwiGLU.apply, swiglu, {"x": "B 2*H"}),
    "scaled rows": (ScaledRows.apply, lambda x, s: x * s[:, None], {"x": "B C", "scale": "B > 0"}),
    "tanh": (Tanh.apply, torch.tanh, {"x": "B C"}),
    "sort": (SortedValues.apply, lambda x: torch.sort(x, dim=-1), {"x": "B C"}),
    "sin and cos": (SinCos.apply, lambda x: (x.sin(), x.cos()), {"x": "B C"}),
    "flat": (Flat.apply, torch.flatten, {"x": "B C"}),
    "numpy": (NumpyExp.apply, torch.exp, {"x": "B C"}),
    "picky": (Picky.apply, lambda x, w: x * w, {"x": "B C", "weight": "C"}),
    "needed": (Needed.apply, lambda x, w: x * w, {"x": "B C", "weight": "C"}),
    "maximum": (Maximum.apply, lambda x: x.amax(-1), {"x": "B C"}),
    "relu": (Relu.apply, F.relu, {"x": "B C"}),
}  # fmt: skip
