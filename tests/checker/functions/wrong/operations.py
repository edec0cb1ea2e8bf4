"""One operation of the reference with another derivative: mistakes and near misses."""

import torch
import torch.nn.functional as F
from torch.autograd import Function

from checker.functions.kernels.softmax import softmax
from checker.functions.wrong.case import EXP, MUL, ONE, QUICK, Case

EMBED = {"table": "V C", "index": "N < V"}
EMBED_SIZES = {"sizes": {"V": (3,), "C": (5,), "N": (7, 16)}, "dtypes": ONE}
LONG = {"sizes": {"B": (3, 16, 64, 65), "C": (5,)}, "dtypes": ONE}


def planted(reference, backward):
    """Return a Function that computes the reference, with this backward(dout, *inputs)."""

    class Planted(Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return reference(*inputs)

        @staticmethod
        def backward(ctx, dout):
            return backward(dout, *ctx.saved_tensors)

    return Planted.apply


def case(reference, backward, inputs=EXP, options=QUICK):
    return Case(planted(reference, backward), reference, inputs, options)


def residual(x, w):
    return x + torch.tanh(x * w)


def residual_lost(dout, x, w):
    dinner = dout * (1 - torch.tanh(x * w) ** 2)
    return dinner * w, (dinner * x).sum(0)


def residual_right(dout, x, w):
    dx, dw = residual_lost(dout, x, w)
    return dout + dx, dw


def gated(x, w):
    gate = torch.sigmoid(x * w)
    return gate * x


def gate_constant(dout, x, w):
    gate = torch.sigmoid(x * w)
    return dout * gate, (dout * x * gate * (1 - gate) * x).sum(0)


def rotated(x, w):
    first, second = x[:, :1], x[:, 1:]
    return x * w + torch.cat([-second, first], 1) * w.cos()


def rotated_wrong(dout, x, w):
    turned = dout * w.cos()
    first, last = turned[:, : x.shape[1] - 1], turned[:, x.shape[1] - 1 :]
    other = torch.cat([-x[:, 1:], x[:, :1]], 1)
    dx = dout * w - torch.cat([last, -first], 1)
    return dx, (dout * x - dout * other * w.sin()).sum(0)


def quadratic(x):
    return x + x * x


def quadratic_twice(dout, x):
    return dout + 4 * x * dout


def quadratic_half(dout, x):
    return dout + x * dout


def cubic(x):
    return x.sin() - x**3


def cubic_sign(dout, x):
    return dout * x.cos() + 3 * x**2 * dout


def cubic_double(dout, x):
    return dout * x.cos() - 6 * x**2 * dout


def softcap(x):
    return 3 * torch.tanh(x / 3)


def softcap_unchanged(dout, x):
    return dout


def softcap_at_input(dout, x):
    return dout * (1 - (x / 3) ** 2)


def tanh_sum(x):
    return torch.tanh(x) + x.sin()


def tanh_at_input(dout, x):
    return dout * (1 - x * x + x.cos())


def scaled(x, w):
    return torch.exp(x) * w


def scaled_unchanged(dout, x, w):
    return dout * torch.exp(x), (dout * torch.exp(x)).sum(0)


def rows(table, index):
    return table[index]


def rows_assigned(dout, table, index):
    dtable = torch.zeros_like(table)
    dtable[index] = dout
    return dtable, None


def rows_added(dout, table, index):
    return torch.zeros_like(table).index_add_(0, index, dout), None


def rows_doubled(dout, table, index):
    return 2 * rows_added(dout, table, index)[0], None


def rows_first(dout, table, index):
    dtable = torch.zeros_like(table)
    for i in range(len(index) - 1, -1, -1):
        dtable[index[i]] = dout[i]
    return dtable, None


def weighted(x, w):
    return x * w


def weighted_in_blocks(dout, x, w):
    dw = torch.zeros_like(w)
    for start in range(0, len(x), 16):
        dw = (dout * x)[start : start + 16].sum(0)
    return dout * w, dw


VARIED = ("sizes", "upstream")

SAYS = {
    "HG186": (
        "gradient of x",
        "The contribution through `x` in `x + torch.tanh(x * w)` is left out: this is the gradient "
        "of the reference with it detached.",
        "Add the contribution through `x` in `x + torch.tanh(x * w)`.",
    ),
    "HG187": (
        "gradient of table",
        "Where `table[index]` reads an element several times, only the last gradient is kept: it "
        "is assigned where it must be accumulated.",
        "Add the gradients: index_add_, scatter_add_, index_put_(..., accumulate=True), or atomic "
        "adds.",
    ),
    "HG188": (
        "gradient of x",
        "The derivative of `torch.tanh(x / 3)` is left out: the gradient passes it unchanged.",
        "Multiply by 1 - tanh(x)**2.",
    ),
    "HG189": (
        "gradient of x",
        "The contribution through `torch.cat([-second, first], 1)` has the wrong sign.",
        "Change the sign of this term.",
    ),
}

MATCH = {
    "HG186": [
        case(residual, residual_lost, MUL),
        case(gated, gate_constant, MUL),
        case(F.silu, lambda dout, x: dout * torch.sigmoid(x)),
    ],
    "HG187": [
        case(rows, rows_assigned, EMBED, EMBED_SIZES),
        case(rows, rows_first, EMBED, EMBED_SIZES),
        case(weighted, weighted_in_blocks, MUL, LONG),
    ],
    "HG188": [
        case(softcap, softcap_unchanged),
        case(tanh_sum, tanh_at_input),
        case(scaled, scaled_unchanged, MUL),
    ],
    "HG189": [
        case(rotated, rotated_wrong, MUL),
        case(cubic, cubic_sign),
        case(cubic, cubic_double),
    ],
}

NEAR = {
    "HG186": [
        case(residual, residual_right, MUL),
        case(softcap, lambda dout, x: dout * 1.5),
        Case(
            planted(softmax, lambda dp, x: softmax(x) * dp - softmax(x) * dp.mean(-1, True)),
            softmax,
            EXP,
            QUICK,
        ),
    ],
    "HG187": [
        case(rows, rows_added, EMBED, EMBED_SIZES),
        case(rows, rows_doubled, EMBED, EMBED_SIZES),
    ],
    "HG188": [
        case(softcap, lambda dout, x: dout * (1 - torch.tanh(x / 3) ** 2)),
        case(softcap, lambda dout, x: 2 * dout * (1 - torch.tanh(x / 3) ** 2)),
    ],
    "HG189": [
        case(quadratic, lambda dout, x: dout + 2 * x * dout),
        case(quadratic, lambda dout, x: 2 * dout + 4 * x * dout),
    ],
}
