"""Tensors and values as bytes and JSON."""

import json
import math

import pytest
import torch

from handgrad.checker.functions.gate.wire import (
    Lines,
    described,
    nbytes,
    packed,
    raw,
    restored,
    unpacked,
)

TENSORS = [
    torch.randn(3, 4),
    torch.randn(3, 4).t()[::2],
    torch.randn(8)[:1:2],
    torch.randn(2, dtype=torch.bfloat16).expand(3, 2),
    torch.randn(2, 2, dtype=torch.complex64).conj(),
    torch.tensor(True),
    torch.tensor(7),
    torch.empty(0, 5),
    torch.empty_strided((1,), (2,)).fill_(3.0),
]


@pytest.mark.parametrize("number", range(len(TENSORS)))
def test_a_tensor_comes_back_bit_for_bit(number):
    value = TENSORS[number]
    description = json.loads(json.dumps(described(value)))
    content = bytearray(raw(value))
    assert len(content) == nbytes(description)
    assert torch.equal(restored(description, content), value)


def test_values_and_their_nesting_come_back():
    x, y = torch.ones(2), torch.zeros(3)
    value = (
        (x, [y, 2, "mean"], {"eps": 1e-5, "none": None}),
        {"dtype": torch.float16, "to": (1, True)},
    )
    tensors = []
    tree = json.loads(json.dumps(packed(value, tensors)))
    assert unpacked(tree, ["x", "y"]) == (
        ("x", ["y", 2, "mean"], {"eps": 1e-5, "none": None}),
        {"dtype": torch.float16, "to": (1, True)},
    )
    assert math.isinf(unpacked(packed(float("-inf"), []), []))


def test_what_is_no_data_is_refused_and_nothing_is_unpickled():
    with pytest.raises(TypeError, match="function cannot be passed to the process"):
        packed(described, [])
    with pytest.raises(TypeError, match="only dense tensors can be judged"):
        described(torch.eye(2).to_sparse())
    with pytest.raises(ValueError, match="is too large"):
        nbytes({"dtype": "float64", "shape": [2**40]})
    with pytest.raises(ValueError, match="is too large"):
        nbytes({"dtype": "float64", "shape": [-1]})
    with pytest.raises(ValueError, match="not a message"):
        Lines(lambda count: b"[1]\n").line()
