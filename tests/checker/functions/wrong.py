"""Hand-written functions with one mistake each, by the code of its cause; and near misses of it.

Each case is (function, reference, inputs), and keyword arguments of check_function where it needs
them. A near miss is wrong in a way that looks alike, or right, and must not get the code.
"""

import functools
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from right import (
    NORM,
    Attention,
    CrossEntropy,
    CrossEntropyRows,
    Cumsum,
    Embedding,
    Gelu,
    LayerNorm,
    LayerNorm32,
    Linear,
    Needed,
    NumpyExp,
    Picky,
    RMSNorm,
    ScaledRows,
    SinCos,
    Softmax,
    Tanh,
    attention,
    layer_norm,
    layer_norm_steps,
    rms_norm,
)
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Case(NamedTuple):
    """One function to check. `near`: what is wrong instead, None where it is right."""

    function: Any
    reference: Any
    inputs: Any
    options: dict[str, Any] = {}  # noqa: RUF012


def changed(right, backward):
    """A right Function with another backward, which takes ctx."""
    return type(right.__name__, (right,), {"backward": staticmethod(backward)}).apply


def wrapped(right, change):
    """A right Function whose gradients are changed: `change` takes and returns them as a tuple."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        return change(*(gradients if isinstance(gradients, tuple) else (gradients,)))

    return changed(right, backward)


def upstreamed(right, change):
    """A right Function that gets its upstream gradient changed."""
    return changed(right, lambda ctx, *upstream: right.backward(ctx, *map(change, upstream)))


def forwarded(right, change, *positions):
    """A right Function that reads some of its inputs changed."""

    def forward(ctx, *inputs):
        read = [change(v) if i in positions or not positions else v for i, v in enumerate(inputs)]
        return right.forward(ctx, *read)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def read_in_order(value):
    """What a kernel reads that is told no strides; beyond the last element there is 0."""
    if not value.dim() or not value.numel() or value.is_contiguous():
        return value
    flat = value.new_zeros(value.numel())
    storage = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
    there = storage[value.storage_offset() :][: value.numel()]
    flat[: len(there)] = there
    return flat.view(value.shape)


def blocks(value, size, dim=-1):
    """The value with its last block, where it is not whole, set to 0."""
    value = value.clone()
    whole = value.shape[dim] // size * size
    value.narrow(dim, whole, value.shape[dim] - whole).zero_()
    return value


def padded(n):
    return 1 << max(n - 1, 0).bit_length()


def low_sum(value, dim=0):
    """A running sum in the value's own dtype."""
    total = torch.zeros_like(value.select(dim, 0)) if value.shape[dim] else value.sum(dim)
    for row in value.unbind(dim):
        total = total + row
    return total


EXP = {"x": "B C"}
MUL = {"x": "B C", "weight": "C"}
ROWS = {"logits": "N V", "targets": "N < V"}
QKV = {"q": "T D", "k": "T D", "v": "T D"}
LIN = {"x": "N I", "weight": "O I", "bias": "O"}
ONE = ("float64",)  # a mistake of a formula is the same in every dtype
QUICK = {"sizes": {"B": (3, 1, 16, 0), "C": (5, 1, 16, 0)}, "dtypes": ONE}
QUICK_ROWS = {"sizes": {"N": (3, 1, 16), "V": (5, 1, 16)}, "dtypes": ONE}
THREE = {"N": (3, 1, 16), "I": (5, 16), "O": (7, 16)}
LONG = {"B": (3, 16), "C": (5, 64, 65, 127, 257)}
LONG_ROWS = {"sizes": {"N": (3, 64, 65, 127), "I": (5,), "O": (7,)}, "dtypes": ONE}
TALL = {"B": (3, 16, 1031), "C": (5,)}
LOW = ("float64", "bfloat16")
SMALL = {"sizes": {"T": (3, 1, 16), "D": (5, 1, 16)}, "dtypes": ONE}
EMBED = {"sizes": {"B": (3, 16), "V": (5, 16), "C": (7, 0)}, "dtypes": ONE}
MUL_REF = lambda x, w: x * w  # noqa: E731
SQUARE_REF = lambda x: x * x  # noqa: E731
CE_ROWS = functools.partial(F.cross_entropy, reduction="none")


class Mul(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, (dout * x).sum(0)


class MulSame(Mul):
    """Both of one shape."""

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        return dout * weight, dout * x


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * y


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout


class MeanSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).mean(-1)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout[:, None] / x.shape[-1]


MEAN_SQUARE_REF = lambda x: (x * x).mean(-1)  # noqa: E731


LSE_REF = lambda x: (x.softmax(-1), x.logsumexp(-1))  # noqa: E731
SINCOS_REF = lambda x: (x.sin(), x.cos())  # noqa: E731


class Embed(Embedding):
    """Fails without columns."""

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        dtable = dout.new_zeros(ctx.shape)
        return None, dtable.index_add(0, index.flatten(), dout.reshape(-1, ctx.shape[1]))


class Silu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return dout * (s + x * s * (1 - s))


class SiluSaved(Silu):
    """The sigmoid of forward is a constant to a second differentiation."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.s = x.sigmoid()
        return x * ctx.s

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (ctx.s + x * ctx.s * (1 - ctx.s))


class SoftmaxSaved(Softmax):
    @staticmethod
    def forward(ctx, x):
        ctx.p = x.softmax(-1)
        return ctx.p.clone()

    @staticmethod
    def backward(ctx, dp):
        return ctx.p * (dp - (dp * ctx.p).sum(-1, keepdim=True))


class Lse(Function):
    """Softmax and the logarithm of its sum."""

    @staticmethod
    def forward(ctx, x):
        p = x.softmax(-1)
        ctx.save_for_backward(p)
        return p, x.logsumexp(-1)

    @staticmethod
    def backward(ctx, dp, dlse):
        (p,) = ctx.saved_tensors
        return p * (dp - (dp * p).sum(-1, keepdim=True)) + dlse[..., None] * p


class Unit(Function):
    """Each row over its norm, without a floor."""

    @staticmethod
    def forward(ctx, x):
        norm = x.square().sum(-1, keepdim=True).sqrt()
        ctx.save_for_backward(x, norm)
        return x / norm

    @staticmethod
    def backward(ctx, dout):
        x, norm = ctx.saved_tensors
        n = x / norm
        return (dout - n * (dout * n).sum(-1, keepdim=True)) / norm


class FlooredUnit(Unit):
    @staticmethod
    def forward(ctx, x):
        norm = x.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-12)
        ctx.save_for_backward(x, norm)
        return x / norm


class Sinc(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin() / x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x.cos() - x.sin() / x) / x


class Expm1OverX(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.expm1() / x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x.exp() - x.expm1() / x) / x


class HalvedSum(Function):
    """A sum by halves, whose odd elements are forgotten."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = 1 << max(x.shape[-1].bit_length() - 1, 0)
        ctx.shape = x.shape
        return x[..., : ctx.kept].sum(-1)

    @staticmethod
    def backward(ctx, dout):
        return dout[..., None].expand(ctx.shape)


class PaddedMean(MeanSquare):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).sum(-1) / padded(x.shape[-1])

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout[:, None] / padded(x.shape[-1])


class ForgetfulMul(Needed):
    """Saves each operand for its own gradient, where it is the other's that needs it."""

    @staticmethod
    def forward(ctx, x, weight):
        needs_x, needs_w = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_x else None, weight if needs_w else None)
        return x * weight


class Zeroed(Mul):
    """Sets the rows of its input to 0 where they are negative, for good."""

    @staticmethod
    def forward(ctx, x, weight):
        x.data.clamp_(min=0)
        return Mul.forward(ctx, x, weight)


_CALLS = iter(range(1, 10**9))


def scratch(right, at):
    """Leaves the rest beyond blocks of 8 in one gradient as memory was, other in every call."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]
        whole = torch.full_like(gradients[at], float(next(_CALLS))).flatten()
        n = (len(whole) - 1) // 8 * 8
        whole[:n] = gradients[at].flatten()[:n]
        gradients[at] = whole.view(gradients[at].shape)
        return tuple(gradients)

    return changed(right, backward)


def unmaterialised(right, backward):
    """A Function that gets None for outputs that are not used, and `backward` does not look."""

    def forward(ctx, *inputs):
        ctx.set_materialize_grads(False)
        return right.forward(ctx, *inputs)

    space = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(right.__name__, (right,), space).apply


def sin_cos(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    return dsin * x.cos() - dcos * x.sin()


def sin_alone(ctx, dsin, dcos):
    (x,) = ctx.saved_tensors
    return None if dsin is None else dsin * x.cos() - (0 if dcos is None else dcos * x.sin())


def norm_parts(ctx, dout):
    normed, rstd, weight = ctx.saved_tensors
    dn = dout * weight
    return normed, rstd, dn, (dout * normed).sum(0), dout.sum(0)


def norm_all_constant(ctx, dout):
    _, rstd, dn, dweight, dbias = norm_parts(ctx, dout)
    return rstd * dn, dweight, dbias


def norm_var_constant(ctx, dout):
    _, rstd, dn, dweight, dbias = norm_parts(ctx, dout)
    return rstd * (dn - dn.mean(-1, True)), dweight, dbias


def norm_sign(ctx, dout):
    normed, rstd, dn, dweight, dbias = norm_parts(ctx, dout)
    dx = rstd * (dn + dn.mean(-1, True) - normed * (dn * normed).mean(-1, True))
    return dx, dweight, dbias


def rms_constant(ctx, dout):
    x, weight, rstd = ctx.saved_tensors
    return dout * weight * rstd, (dout * x * rstd).sum(0)


def softmax_constant(ctx, dp):
    (p,) = ctx.saved_tensors
    return dp * p


def exp_overwrites(ctx, dout):
    (y,) = ctx.saved_tensors
    y.data.mul_(dout)
    return y.clone()


def exp_in_place(ctx, dout):
    (y,) = ctx.saved_tensors
    return y.mul_(dout)


def softmax_overwrites(ctx, dp):
    (p,) = ctx.saved_tensors
    p.data.mul_(dp - (dp * p).sum(-1, keepdim=True))
    return p.clone()


def exp_writes_upstream(ctx, dout):
    (y,) = ctx.saved_tensors
    return dout.contiguous().mul_(y)


def tanh_writes_upstream(ctx, dout):
    (y,) = ctx.saved_tensors
    dout = dout if dout.is_contiguous() else dout.contiguous()
    return dout.mul_(1 - y * y)


def norm_writes_weight(ctx, dout):
    gradients = LayerNorm.backward(ctx, dout)
    ctx.saved_tensors[2].data.add_(gradients[1])
    return gradients


def rms_squeezed(ctx, dout):
    """Forgets the sum over the rows where there is one column: the squeezed rows look like one."""
    dx, dweight = RMSNorm.backward(ctx, dout)
    x, weight, rstd = ctx.saved_tensors
    return dx, (dout * x * rstd).squeeze()[:1].sum(0, keepdim=True) if len(weight) == 1 else dweight


def tanh_by_first(ctx, dout):
    """Takes the upstream gradient along the strides of what was saved."""
    (y,) = ctx.saved_tensors
    if not y.is_contiguous():
        y = read_in_order(y)
    return dout * (1 - y * y)


def one_row_is_nothing(right):
    return wrapped(right, lambda *g: tuple(v * (v.shape[:1] != (1,)) for v in g))


def first(u):
    return u.flatten()[0].expand_as(u) if u.numel() else u


def mean(u):
    return u.mean().expand_as(u)


def flat(u):
    return u.view(-1).view(u.shape)


def rounded(dtype):
    return lambda v: v.to(dtype).to(v.dtype) if v.is_floating_point() else v


def tanh_gelu(right=Gelu):
    class TanhGelu(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return F.gelu(x, approximate="tanh")

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                return torch.autograd.grad(F.gelu(leaf, approximate="tanh"), leaf, dout)[0]

    return TanhGelu.apply


def norm_with(eps, correction=0):
    class OtherNorm(LayerNorm):
        @staticmethod
        def forward(ctx, x, weight, bias):
            rstd = (x.var(-1, correction=correction, keepdim=True) + eps).rsqrt()
            normed = (x - x.mean(-1, keepdim=True)) * rstd
            ctx.save_for_backward(normed, rstd, weight)
            return normed * weight + bias

    return OtherNorm.apply


def crashing(right):
    """Reads its first element, whether there is one or not."""

    def forward(ctx, *inputs):
        inputs[0].reshape(-1)[0]
        return right.forward(ctx, *inputs)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def refusing(right):
    """Says that it takes nothing empty."""

    def forward(ctx, *inputs):
        if not inputs[0].numel():
            raise ValueError("the input must not be empty")
        return right.forward(ctx, *inputs)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def linear_mean(ctx, dout):
    dx, dweight, _ = Linear.backward(ctx, dout)
    return dx, dweight, dout.mean(0) if len(dout) else dout.sum(0)


def mul_low_sum(ctx, dout):
    x, weight = ctx.saved_tensors
    return dout * weight, low_sum(dout * x)


def mul_kept_dim(ctx, dout):
    x, weight = ctx.saved_tensors
    return dout * weight, (dout * x).sum(0, keepdim=True)


def mul_first_alone(ctx, dout):
    x, weight = ctx.saved_tensors
    if ctx.needs_input_grad[0]:
        return dout * weight, (dout * x).sum(0)
    return None, None


def linear_both_or_none(ctx, dout):
    if not all(ctx.needs_input_grad[:2]):
        return None, None, dout.sum(0)
    return Linear.backward(ctx, dout)


def half_twice(dx):
    dx = dx.clone()
    dx[..., ::2] *= 2
    return (dx,)


def first_lost(dx):
    dx = dx.clone()
    dx[:1] = 0
    return dx


class Tanh2(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return dout * (1 - y * y)


class LowMeanSquare(MeanSquare):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return low_sum(x * x, -1) / max(x.shape[-1], 1)


class PaddedCumsum(Cumsum):
    """Scans what is padded by repeating the last element."""

    @staticmethod
    def backward(ctx, dout):
        n = dout.shape[-1]
        if n == 0:
            return dout
        rest = dout[..., -1:].expand(*dout.shape[:-1], padded(n) - n)
        wide = torch.cat([dout, rest], -1)
        return wide.flip(-1).cumsum(-1).flip(-1)[..., :n]


low_mean_square, padded_cumsum = LowMeanSquare.apply, PaddedCumsum.apply


TWICE = {"double_backward": True, **QUICK}
SINC_REF = lambda x: torch.sinc(x / torch.pi)  # noqa: E731
UNIT_REF = lambda x: F.normalize(x, dim=-1, eps=1e-12)  # noqa: E731
SUM_REF = lambda x: x.sum(-1)  # noqa: E731
SCALED_REF = lambda x, s: x * s[:, None]  # noqa: E731
SCALED = {"x": "B C", "scale": "B > 0"}
softmax = functools.partial(F.softmax, dim=-1)


def norm(function, **options):
    return Case(function, layer_norm, NORM, {**QUICK, **options})


def mul(function, **options):
    return Case(function, MUL_REF, MUL, {**QUICK, **options})


def unary(function, reference, **options):
    return Case(function, reference, EXP, {**QUICK, **options})


def linear(function, **options):
    return Case(function, F.linear, LIN, {"sizes": THREE, "dtypes": ONE, **options})


MATCH = {
    "HG150": [
        norm(wrapped(LayerNorm, lambda dx, dw, db: (dx, dw))),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, db, dx))),
        Case(wrapped(CrossEntropy, lambda d, _: d), F.cross_entropy, ROWS, QUICK_ROWS),
    ],
    "HG151": [
        unary(upstreamed(Tanh, torch.ones_like), torch.tanh),
        norm(upstreamed(LayerNorm, torch.ones_like)),
        Case(upstreamed(CrossEntropy, torch.ones_like), F.cross_entropy, ROWS, QUICK_ROWS),
    ],
    "HG152": [
        norm(changed(LayerNorm, norm_all_constant)),
        Case(changed(LayerNorm, norm_var_constant), layer_norm_steps, NORM, QUICK),
        Case(changed(RMSNorm, rms_constant), rms_norm, MUL, QUICK),
        unary(changed(Softmax, softmax_constant), softmax),
    ],
    "HG153": [
        mul(forwarded(Mul, lambda v: blocks(v, 64), 0), sizes=LONG, dtypes=ONE),
        Case(upstreamed(Linear, lambda u: blocks(u, 32, 0)), F.linear, LIN, LONG_ROWS),
        Case(
            wrapped(Gelu, lambda dx: blocks(dx, 128)),
            F.gelu,
            {"x": "N"},
            {"sizes": {"N": (3, 127, 128, 257)}, "dtypes": ONE},
        ),
        Case(
            forwarded(MeanSquare, lambda v: blocks(v, 64)),
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": LONG, "dtypes": ONE},
        ),
    ],
    "HG154": [
        unary(forwarded(Exp, read_in_order), torch.exp),
        norm(forwarded(LayerNorm, read_in_order, 0)),
        linear(forwarded(Linear, read_in_order, 1)),
        unary(changed(Tanh2, tanh_by_first), torch.tanh),
    ],
    "HG155": [
        unary(upstreamed(Tanh, lambda u: u * u), torch.tanh),
        unary(upstreamed(Exp, torch.abs), torch.exp),
        unary(upstreamed(Square, lambda u: u**3), SQUARE_REF),
    ],
    "HG156": [
        Case(upstreamed(CrossEntropyRows, first), CE_ROWS, ROWS, QUICK_ROWS),
        unary(upstreamed(Square, mean), SQUARE_REF),
        Case(upstreamed(RMSNorm, lambda u: u[:1].expand_as(u)), rms_norm, MUL, QUICK),
    ],
    "HG157": [
        unary(upstreamed(Exp, read_in_order), torch.exp),
        norm(upstreamed(LayerNorm, read_in_order)),
        unary(upstreamed(Tanh, flat), torch.tanh),
    ],
    "HG158": [
        Case(forwarded(ScaledRows, first, 1), SCALED_REF, SCALED, QUICK),
        mul(forwarded(Mul, mean, 1)),
        norm(forwarded(LayerNorm, first, 1)),
    ],
    "HG159": [
        norm(wrapped(LayerNorm, lambda dx, dw, db: (dx, None, db))),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, None))),
        mul(wrapped(Mul, lambda dx, dw: (None, dw))),
    ],
    "HG160": [
        Case(wrapped(Attention, lambda q, k, v: (k, q, v)), attention, QKV, SMALL),
        Case(wrapped(MulSame, lambda a, b: (b, a)), MUL_REF, {"x": "B C", "y": "B C"}, QUICK),
        linear(wrapped(Linear, lambda dx, dw, db: (dw, dx, db))),
    ],
    "HG161": [
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
        mul(wrapped(Mul, lambda dx, dw: (dx, dw.sum()))),
        unary(wrapped(Square, lambda dx: (dx.flatten(),)), SQUARE_REF),
    ],
    "HG162": [
        unary(wrapped(Square, lambda dx: (dx / 2,)), SQUARE_REF),
        unary(wrapped(MeanSquare, lambda dx: (dx * dx.shape[-1],)), MEAN_SQUARE_REF),
        norm(wrapped(LayerNorm, lambda dx, dw, db: (-dx, dw, db))),
        linear(changed(Linear, linear_mean)),
    ],
    "HG163": [
        unary(changed(Exp, exp_overwrites), torch.exp),
        unary(changed(Softmax, softmax_overwrites), softmax),
        unary(changed(Exp, exp_in_place), torch.exp),
    ],
    "HG164": [
        unary(changed(Exp, exp_writes_upstream), torch.exp),
        mul(Zeroed.apply),
        norm(changed(LayerNorm, norm_writes_weight)),
    ],
    "HG165": [
        Case(
            changed(Mul, mul_low_sum),
            MUL_REF,
            {"x": "B C > 0", "weight": "C"},
            {"sizes": TALL, "dtypes": LOW},
        ),
        Case(
            low_mean_square,
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": {"B": (3,), "C": TALL["B"]}, "dtypes": LOW},
        ),
        Case(
            forwarded(Gelu, rounded(torch.bfloat16)),
            F.gelu,
            {"x": "N"},
            {"sizes": {"N": (3, 65)}, "dtypes": ("float64", "float32")},
        ),
    ],
    "HG166": [
        unary(tanh_gelu(), F.gelu),
        norm(norm_with(1e-3)),
        norm(norm_with(1e-5, 1), sizes={"B": (3, 16), "C": (5, 16, 65)}),
    ],
    "HG167": [
        unary(changed(Exp, once_differentiable(Exp.backward)), torch.exp, **TWICE),
        unary(NumpyExp.apply, torch.exp, **TWICE),
        unary(upstreamed(SoftmaxSaved, torch.Tensor.detach), softmax, **TWICE),
    ],
    "HG168": [
        unary(Unit.apply, UNIT_REF),
        unary(Sinc.apply, SINC_REF),
        unary(
            Expm1OverX.apply,
            lambda x: torch.where(x == 0, 1, x.expm1() / torch.where(x == 0, 1, x)),
        ),
    ],
    "HG169": [
        unary(PaddedMean.apply, MEAN_SQUARE_REF),
        unary(HalvedSum.apply, SUM_REF),
        unary(padded_cumsum, lambda x: x.cumsum(-1)),
    ],
    "HG170": [
        unary(crashing(Exp), torch.exp),
        mul(crashing(Mul)),
        Case(Embed.apply, lambda i, t: F.embedding(i, t), {"i": "B < V", "t": "V C"}, EMBED),
    ],
    "HG171": [
        mul(ForgetfulMul.apply),
        mul(changed(Mul, mul_first_alone)),
        linear(changed(Linear, linear_both_or_none)),
    ],
    "HG172": [
        unary(one_row_is_nothing(Square), SQUARE_REF),
        unary(one_row_is_nothing(Exp), torch.exp),
        Case(changed(RMSNorm, rms_squeezed), rms_norm, MUL, QUICK),
    ],
    "HG176": [
        unary(SiluSaved.apply, F.silu, **TWICE),
        unary(SoftmaxSaved.apply, softmax, **TWICE),
        norm(LayerNorm.apply, **TWICE),
    ],
    "HG177": [
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, b * 0)), LSE_REF),
        unary(changed(SinCos, lambda ctx, a, b: SinCos.backward(ctx, a, None)), SINCOS_REF),
        unary(changed(SinCos, lambda ctx, a, b: SinCos.backward(ctx, None, b)), SINCOS_REF),
    ],
    "HG178": [
        unary(scratch(Exp, 0), torch.exp),
        norm(scratch(LayerNorm, 0)),
        linear(scratch(Linear, 1)),
    ],
    "HG179": [
        unary(unmaterialised(SinCos, sin_cos), SINCOS_REF),
        unary(unmaterialised(Lse, Lse.backward), LSE_REF),
        unary(unmaterialised(SinCos, sin_alone), SINCOS_REF),
    ],
}
"""Cases of each cause."""

NEAR = {
    "HG150": [
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw, db, None))),  # one None more is right
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
    ],
    "HG151": [
        unary(upstreamed(Tanh, lambda u: u * u), torch.tanh),
        unary(upstreamed(Tanh, lambda u: torch.ones_like(u) * u.mean()), torch.tanh),
    ],
    "HG152": [
        norm(changed(LayerNorm, norm_sign)),
        norm(wrapped(LayerNorm, lambda dx, dw, db: (2 * dx, dw, db))),
    ],
    "HG153": [
        unary(PaddedMean.apply, MEAN_SQUARE_REF, sizes=LONG, dtypes=ONE),
        mul(wrapped(Mul, lambda dx, dw: (first_lost(dx), dw)), sizes=LONG, dtypes=ONE),
    ],
    "HG154": [
        Case(Picky.apply, MUL_REF, MUL, QUICK),  # it says so
        unary(upstreamed(Exp, read_in_order), torch.exp),
    ],
    "HG155": [
        unary(upstreamed(Tanh, torch.ones_like), torch.tanh),
        unary(upstreamed(Tanh, lambda u: u + 1), torch.tanh),
    ],
    "HG156": [
        unary(upstreamed(Square, torch.ones_like), SQUARE_REF),
        unary(upstreamed(Square, lambda u: u.flip(-1)), SQUARE_REF),
    ],
    "HG157": [
        unary(forwarded(Exp, read_in_order), torch.exp),
        unary(upstreamed(Exp, torch.Tensor.contiguous), torch.exp),
    ],
    "HG158": [
        Case(forwarded(ScaledRows, lambda s: 1 / s, 1), SCALED_REF, SCALED, QUICK),
        Case(ScaledRows.apply, SCALED_REF, SCALED, QUICK),
    ],
    "HG159": [
        Case(CrossEntropy.apply, F.cross_entropy, ROWS, QUICK_ROWS),  # None for whole numbers
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw * 0, db))),
    ],
    "HG160": [
        Case(wrapped(Attention, lambda q, k, v: (2 * k, 2 * q, v)), attention, QKV, SMALL),
        linear(wrapped(Linear, lambda dx, dw, db: (dx, dw.T, db))),
    ],
    "HG161": [
        mul(changed(Mul, mul_kept_dim)),  # autograd sums that itself
        linear(wrapped(Linear, lambda dx, dw, db: (dx, 2 * dw.T, db))),
    ],
    "HG162": [
        unary(wrapped(Square, lambda dx: (dx.abs(),)), SQUARE_REF),
        unary(wrapped(Square, half_twice), SQUARE_REF),
    ],
    "HG163": [
        unary(changed(Exp, lambda ctx, dout: ctx.saved_tensors[0].clone().mul_(dout)), torch.exp),
        unary(changed(Exp, exp_writes_upstream), torch.exp),
    ],
    "HG164": [
        unary(changed(Exp, lambda ctx, dout: dout.clone().mul_(ctx.saved_tensors[0])), torch.exp),
        unary(changed(Softmax, softmax_overwrites), softmax),
    ],
    "HG165": [
        norm(LayerNorm32.apply, sizes={"B": (1, 3, 257, 1031), "C": (5, 64)}),
        unary(wrapped(Square, lambda dx: (dx * 1.01,)), SQUARE_REF),
    ],
    "HG166": [
        unary(Gelu.apply, F.gelu),
        Case(forwarded(ScaledRows, first, 1), SCALED_REF, SCALED, QUICK),
    ],
    "HG167": [
        unary(Exp.apply, torch.exp, **TWICE),
        unary(SiluSaved.apply, F.silu, **TWICE),
    ],
    "HG168": [
        unary(FlooredUnit.apply, UNIT_REF),
        unary(wrapped(FlooredUnit, lambda dx: (dx * 2,)), UNIT_REF),
    ],
    "HG169": [
        unary(MeanSquare.apply, MEAN_SQUARE_REF),
        Case(
            forwarded(MeanSquare, lambda v: blocks(v, 64)),
            MEAN_SQUARE_REF,
            EXP,
            {"sizes": LONG, "dtypes": ONE},
        ),
    ],
    "HG170": [
        unary(refusing(Exp), torch.exp),
        unary(one_row_is_nothing(Exp), torch.exp),
    ],
    "HG171": [
        mul(Needed.apply),
        mul(wrapped(Mul, lambda dx, dw: (dx, None))),
    ],
    "HG172": [
        unary(crashing(Exp), torch.exp),
        unary(wrapped(Square, lambda dx: (dx / 2,)), SQUARE_REF),
    ],
    "HG176": [
        unary(Silu.apply, F.silu, **TWICE),
        unary(changed(Exp, once_differentiable(Exp.backward)), torch.exp, **TWICE),
    ],
    "HG177": [
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, 2 * b)), LSE_REF),
        unary(Lse.apply, LSE_REF),
    ],
    "HG178": [
        unary(Exp.apply, torch.exp),
        mul(forwarded(Mul, lambda v: blocks(v, 8), 0)),
    ],
    "HG179": [
        unary(SinCos.apply, SINCOS_REF),
        unary(changed(Lse, lambda ctx, a, b: Lse.backward(ctx, a, b * 0)), LSE_REF),
    ],
}
"""Near misses of each cause: wrong in another way, or right."""
