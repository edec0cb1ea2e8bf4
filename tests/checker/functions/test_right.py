"""Right functions pass in every dtype and style, and so do the layers of this library."""

import inspect
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.elementwise import Gelu
from checker.functions.kernels.softmax import attention
from checker.functions.right import RIGHT
from checker.functions.wrong.case import Case
from handgrad import LAYERS, check_function
from handgrad.checker.functions.inputs.isolation import threads
from handgrad.checker.functions.samples.sample import DTYPES
from layers import peers as own

NOTES = {
    "layernorm in float32": ["float64 has only the precision of float32"],
    "layernorm of three dimensions": ["float64 has only the precision of float32"],
    "numpy": [
        "bfloat16 is not supported: TypeError: NumpyExp takes float32 and float64, not "
        "torch.bfloat16",
        "float16 is not supported: TypeError: NumpyExp takes float32 and float64, not "
        "torch.float16",
    ],
    "picky": [
        "float64 is not supported: AssertionError: assert x.dtype == torch.float32",
        "13 of 61 samples were refused, such as 'B=3 C=5 float32 upstream=random': ValueError: the "
        "last dimension must be a multiple of 16, got 5",
        "bfloat16 is not supported: AssertionError: assert x.dtype == torch.float32",
        "float16 is not supported: AssertionError: assert x.dtype == torch.float32",
        "15 of 61 samples were refused, such as 'B=65 C=16 float32 transposed upstream=strided': "
        "RuntimeError: inputs must be contiguous",
    ],
}
SIZES = {  # larger products are slow and show nothing that smaller ones do not
    "attention": {"B": (1, 3, 0), "T": (1, 2, 3, 16, 65, 0), "D": (1, 3, 16, 65, 0)},
    "layernorm of three dimensions": {"B": (1, 3), "T": (1, 5, 65), "C": (1, 7, 64, 1031)},
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_passes(name: str) -> None:
    function, reference, inputs = RIGHT[name]
    report = check_function(function, reference, inputs, sizes=SIZES.get(name))
    assert report.ok, str(report)
    assert list(report.notes) == NOTES.get(name, [])
    if name not in ("numpy", "picky"):
        assert report.dtypes == ("float64", "float32", "bfloat16", "float16")


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", ["layernorm", "rmsnorm", "softmax", "cross entropy a row"])
def test_it_passes_for_other_random_numbers(name: str, seed: int) -> None:
    function, reference, inputs = RIGHT[name]
    few = {letter: (1, 3, 64) for letter in "BCNV" if letter in " ".join(inputs.values())}
    case = Case(function, reference, inputs, {"sizes": few, "seed": seed})
    report = case.quick_report("upstream", "layout", "sizes", "long sums")
    assert report.ok, str(report)


def layer(name: str, form: str, attributes: dict[str, Any]):
    """A layer of this library as an autograd.Function."""

    def half(name_of_half: str):
        function = getattr(LAYERS[name], f"{name_of_half}{form}")
        taken = inspect.signature(function).parameters
        return partial(function, **{k: v for k, v in attributes.items() if k in taken})

    forward, backward = half("forward"), half("backward")

    class Layer(Function):
        @staticmethod
        def forward(ctx, *inputs):
            out, ctx.cache = forward(*inputs)
            ctx.count = len(inputs)
            return out

        @staticmethod
        def backward(ctx, *douts):
            gradients = backward(douts if len(douts) > 1 else douts[0], ctx.cache)
            if isinstance(gradients, dict):
                gradients = tuple(gradients.get(k) for k in LAYERS[name].INPUTS)
            gradients = list(gradients)[: ctx.count]
            return tuple(gradients + [None] * (ctx.count - len(gradients)))

    return Layer.apply


def in_words(function):
    """The function with x packed in words of three characters, the last one shorter."""

    def on_words(x, *others):
        offsets = torch.tensor([*range(0, len(x), 3), len(x)])
        return function(x, offsets, *others)

    return on_words


def of_words(function):
    """The function with q, k and v packed as by `in_words`."""
    return lambda q, k, v: in_words(lambda _, offsets: function(q, k, v, offsets))(q)


def batchnorm(x, gain, bias):
    mean, std = x.mean(0), (x.var(0) + 1e-5).sqrt()
    return (x - mean) / std * gain + bias


PEERS = {
    "embedding": (
        lambda index, table: F.embedding(index, table), {"index": "N L < V", "table": "V C"}),
    "join": (lambda x: x.flatten(1), {"x": "B L C"}),
    "linear": (lambda x, w, b: x @ w + b, {"x": "B I", "weight": "I O", "bias": "O"}),
    "tanh": (torch.tanh, {"x": "B C"}),
    "softmax_cross_entropy": (
        lambda x, index: F.cross_entropy(x, index, ignore_index=-1),
        {"logits": "N V", "targets": "N < V or -1"}),
    "batchnorm": (batchnorm, {"x": "B C", "gain": "C", "bias": "C"}),
    "layernorm": (own.PEERS["layernorm"], {"x": "B L C", "gain": "C", "bias": "C"}),
    "rmsnorm": (own.PEERS["rmsnorm"], {"x": "B C", "gain": "C"}),
    "relu": (torch.relu, {"x": "B C"}),
    "sigmoid": (torch.sigmoid, {"x": "B C"}),
    "gelu": (lambda x: F.gelu(x, approximate="tanh"), {"x": "B C"}, {"exact": False}),
    "add": (torch.add, {"x": "B C", "y": "B C"}),
    "split": (own.PEERS["split"], {"x": "B 3*C"}),
    "flatten_consecutive": (
        lambda x: own.PEERS["flatten_consecutive"](x, 2), {"x": "B 2*L C"}, {"k": 2}),
    "dropout": (
        lambda x: own.dropout(x, KEY, p=0.3, number=2), {"x": "B C"}, {"p": 0.3, "number": 2}),
    "position_embedding": (in_words(own.PEERS["position_embedding"]), {"x": "N C", "P": "3 C"}),
    "causal_mean": (in_words(own.PEERS["causal_mean"]), {"x": "N C"}),
    "tied_linear": (own.PEERS["tied_linear"], {"x": "B I", "C": "V I", "b": "V"}),
    "attention": (
        of_words(partial(own.attention, heads=2)),
        {"q": "N 2*C", "k": "N 2*C", "v": "N 2*C"}, {"heads": 2}),
    "rnn": (
        in_words(own.PEERS["rnn"]), {"x": "N 3", "start": "1 5", "W": "8 5", "b": "5"}),
    "gru": (
        in_words(own.PEERS["gru"]), {"x": "N 3", "start": "1 5", "W": "8 15", "b": "15"}),
    "lstm": (
        in_words(own.PEERS["lstm"]),
        {"x": "N 3", "start": "1 5", "cstart": "1 5", "W": "8 20", "b": "20"}),
}  # fmt: skip
KEY = torch.tensor([3407, 12])
ADAPTED = {
    "dropout": lambda function: lambda x: function(x, KEY),
    "position_embedding": in_words,
    "causal_mean": in_words,
    "attention": of_words,
    "rnn": in_words,
    "gru": in_words,
    "lstm": in_words,
}
"""Layers that take what is not drawn."""
# rstd is 316 for a constant row, and its third power overflows float16
NOT_FLOAT16 = ("batchnorm", "layernorm", "rmsnorm")


@pytest.mark.parametrize("form", ["", "_chunked"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_this_library_pass(name: str, form: str) -> None:
    reference, inputs, *attributes = PEERS[name]
    letters = {k for spec in inputs.values() for k in spec if k.isupper()}
    sizes = dict.fromkeys(sorted(letters), (3, 1, 16, 65))
    dtypes = ("float64", "float32", "bfloat16") if name in NOT_FLOAT16 else DTYPES
    function = ADAPTED.get(name, lambda x: x)(layer(name, form, *(attributes or [{}])))
    report = check_function(function, reference, inputs, sizes=sizes, dtypes=dtypes)
    assert report.ok, str(report)


def test_a_scripted_and_a_compiled_function_pass() -> None:
    def silu(x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit's own
        scripted = torch.jit.script(silu)
    few = {"N": (3, 1, 16)}
    assert check_function(scripted, F.silu, {"x": "N"}, sizes=few).ok
    compiled = torch.compile(silu, backend="eager", dynamic=True)
    options = {"sizes": {"N": (3, 16)}, "dtypes": ("float32",)}
    assert check_function(compiled, F.silu, {"x": "N"}, **options).ok


def test_a_function_may_be_passed_without_apply_or_inside_another() -> None:
    few = {"N": (3, 1, 16)}
    assert check_function(Gelu, F.gelu, {"x": "N"}, sizes=few).function == "Gelu"
    inside = check_function(
        lambda x: Gelu.apply(x) * 2, lambda x: 2 * F.gelu(x), {"x": "N"}, sizes=few
    )
    assert inside.ok
    assert inside.function == "<lambda>"
    bound = partial(attention)
    assert check_function(bound, attention, dict.fromkeys("qkv", "T D"), sizes={"T": (3,)}).ok


def test_dropout_is_compared_only_where_both_draw_the_same_numbers() -> None:
    def dropped(x):
        return F.dropout(x, 0.5)

    report = check_function(dropped, dropped, {"x": "B C"}, sizes={"B": (3,), "C": (5, 16)})
    assert report.ok, str(report)
    assert report.notes == (
        "20 of 29 samples were skipped because the reference cannot run them, such as 'B=3 C=5 "
        "float32 upstream=random': ValueError: it draws random numbers, which differ between "
        "dtypes and layouts (only float64 contiguous is compared); pass the mask as an input",
    )


def test_the_function_has_the_callers_threads_and_the_reference_one() -> None:
    counts: dict[str, set[int]] = {"function": set(), "reference": set()}

    def counted(name: str):
        def run(x: torch.Tensor) -> torch.Tensor:
            counts[name].add(torch.get_num_threads())
            return x.exp()

        return run

    with threads(2):
        check_function(counted("function"), counted("reference"), {"x": "N"}, sizes={"N": (3,)})
    assert counts == {"function": {2}, "reference": {1}}


def test_a_check_leaves_random_state_and_threads_unchanged() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state must not change
    threads = torch.get_num_threads()
    check_function(Gelu.apply, F.gelu, {"x": "N"}, sizes={"N": (3,)})
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
