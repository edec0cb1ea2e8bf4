"""What is special about attention: words, blocks, memory."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from handgrad.layers import attention
from handgrad.verify.cases import layer_cases
from handgrad.verify.cases.kinds import words

# float64: sums of a hundred terms of size 1, in another order
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def inputs(offsets: Tensor, channels: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = int(offsets[-1]), channels
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in "qkvd"]


@pytest.mark.parametrize(("rows", "numbers"), [(1, 1), (3, 40), (4, 10**6), (100, 1)])
def test_blocks_of_any_size_agree(monkeypatch: pytest.MonkeyPatch, rows: int, numbers: int) -> None:
    offsets = words(3, 19, 1, 8, 8, 2)
    q, k, v, dout = inputs(offsets)
    out, cache = attention.forward(q, k, v, offsets, heads=2)
    whole = [out, *attention.backward(dout, cache, heads=2)[:3]]
    monkeypatch.setattr(attention, "ROWS", rows)
    monkeypatch.setattr(attention, "NUMBERS", numbers)
    out, cache = attention.forward(q, k, v, offsets, heads=2)
    for mine, theirs in zip(
        [out, *attention.backward(dout, cache, heads=2)[:3]], whole, strict=True
    ):
        torch.testing.assert_close(mine, theirs, **TIGHT)


def test_no_character_sees_a_later_one_or_another_word() -> None:
    offsets = words(4, 3)
    q, k, v, dout = inputs(offsets)
    before, _ = attention.forward(q, k, v, offsets, heads=3)
    for x in (q, k, v):
        x[2:4] += 1
    after, cache = attention.forward(q, k, v, offsets, heads=3)
    assert torch.equal(before[:2], after[:2])
    assert torch.equal(before[4:], after[4:])
    dout[:] = 0
    dout[5] = 1
    for gradient in attention.backward(dout, cache, heads=3)[:3]:
        assert gradient[4:6].abs().sum() > 0
        assert not gradient[:4].any()
        assert not gradient[6:].any()


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that an operation returns."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, tuple | list) else [result]:
            if isinstance(x, Tensor):
                self.size = max(self.size, x.numel())
        return result


def test_memory_is_linear_in_the_length_of_a_word() -> None:
    """No tensor grows faster than the word, up to 8,192 characters; the step by step form's do."""
    sizes = []
    for length in (2048, 8192):
        q, k, v, dout = (x.float() for x in inputs(words(length), 2))
        with Largest() as largest:
            _, cache = attention.forward(q, k, v, words(length), heads=1)
            attention.backward(dout, cache, heads=1)
        sizes.append(largest.size)
    assert sizes == [attention.ROWS * 2048, attention.ROWS * 8192]
    case = next(case for case in layer_cases("attention") if case.name == "longer than is kept")
    with Largest() as largest:
        case.of(attention.forward_chunked)(*case.inputs)
    assert largest.size == 4 * 2 * 37**2
