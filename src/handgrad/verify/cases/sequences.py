"""Awkward inputs of attention and of the recurrent layers, on whole words end to end."""

from torch import Tensor

from handgrad.verify.cases.kinds import CaseInputs, Cases, Draw, words

WORDS = words(7, 9, 6, 8, 5, 7, 8, 7)


def _attention(normal: Draw, integers: Draw) -> CaseInputs:
    def row(channels: int, heads: int, offsets: Tensor, scale: float = 1) -> tuple[object, ...]:
        shape = int(offsets[-1]), channels
        q, k, v = normal(*shape) * scale, normal(*shape) * scale, normal(*shape)
        return (q, k, v, offsets), {"heads": heads}

    turned = tuple(normal(6, 18).t() for _ in "qkv")
    return {
        "makemore": row(64, 4, WORDS),
        "microgpt": row(16, 4, WORDS),
        "ones": row(1, 1, words(1)),
        "one word": row(5, 1, words(11)),
        "one channel a head": row(3, 3, words(2, 5)),
        "one character each": row(4, 2, words(*[1] * 13)),
        "primes": row(21, 3, words(13, 1, 7)),
        "longer than is kept": row(6, 2, words(3, 37, 1, 18)),
        "large": row(6, 2, words(5, 7), 4),
        "non-contiguous": ((*turned, words(11, 7)), {"heads": 2}),
    }


def _recurrent(normal: Draw, gates: int, starts: int) -> CaseInputs:
    """Return the cases of a layer with so many gates and initial states."""

    def row(
        channels: int, width: int, offsets: Tensor, truncate: int = 0, scale: float = 1
    ) -> tuple[object, ...]:
        fan_in = channels + width
        x = normal(int(offsets[-1]), channels) * scale
        initial = [normal(1, width) for _ in range(starts)]
        W, b = normal(fan_in, gates * width) * fan_in**-0.5, normal(gates * width)
        return (x, offsets, *initial, W, b), {"truncate": truncate}

    strided = [normal(1, 10)[:, ::2] for _ in range(starts)]
    strided += [normal(gates * 5, 8).t() / 3, normal(gates * 10)[::2]]
    return {
        "makemore": row(64, 64, WORDS),
        "ones": row(1, 1, words(1)),
        "one word": row(5, 4, words(11)),
        "one character each": row(3, 2, words(*[1] * 13)),
        "primes": row(7, 11, words(13, 1, 17)),
        "truncated": row(3, 5, words(4, 7, 8, 3), 3),
        "truncated to one step": row(3, 5, words(4, 1, 3), 1),
        "saturated": row(3, 5, words(4, 6), 0, 10),
        "non-contiguous": ((normal(3, 9).t(), words(4, 5), *strided), {"truncate": 0}),
    }


CASES: Cases = {
    "attention": _attention,
    "rnn": lambda normal, integers: _recurrent(normal, 1, 1),
    "gru": lambda normal, integers: _recurrent(normal, 3, 1),
    "lstm": lambda normal, integers: _recurrent(normal, 4, 2),
}
