"""Wrong formulas: mistakes and near misses."""

from checker.functions.kernels.elementwise import SQUARE_REF, Square
from checker.functions.kernels.norms import NORM, LayerNorm, RMSNorm, layer_norm_steps, rms_norm
from checker.functions.kernels.products import SCALED, SCALED_REF, Linear, Mul, ScaledRows
from checker.functions.kernels.rows import MEAN_SQUARE_REF, MeanSquare
from checker.functions.kernels.softmax import Softmax, softmax
from checker.functions.wrong.case import MUL, QUICK, Case, linear, mul, norm, unary
from checker.functions.wrong.planting import changed, first, forwarded, mean, wrapped


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


def linear_mean(ctx, dout):
    dx, dweight, _ = Linear.backward(ctx, dout)
    return dx, dweight, dout.mean(0) if len(dout) else dout.sum(0)


def half_twice(dx):
    dx = dx.clone()
    dx[..., ::2] *= 2
    return (dx,)


VARIED = ("sizes",)

SAYS = {
    "HG152": (
        "gradient of x",
        "A statistic of x is treated as a constant: this is the gradient with the reference's "
        "`mean in layer_norm` and `var in layer_norm` detached.",
        "Add the contribution to the gradient of x through `mean in layer_norm` and `var in "
        "layer_norm`.",
    ),
    "HG158": (
        "output, gradient of x",
        "scale is read as a scalar: its first element is used for all elements.",
        "Read the element of scale that belongs to each row or column.",
    ),
    "HG162": (
        "gradient of x",
        "This is 1/2 times the correct result.",
        "Multiply by 2.",
    ),
}

MATCH = {
    "HG152": [
        norm(changed(LayerNorm, norm_all_constant)),
        Case(changed(LayerNorm, norm_var_constant), layer_norm_steps, NORM, QUICK),
        Case(changed(RMSNorm, rms_constant), rms_norm, MUL, QUICK),
        unary(changed(Softmax, softmax_constant), softmax),
    ],
    "HG158": [
        Case(forwarded(ScaledRows, first, 1), SCALED_REF, SCALED, QUICK),
        mul(forwarded(Mul, mean, 1)),
        norm(forwarded(LayerNorm, first, 1)),
    ],
    "HG162": [
        unary(wrapped(Square, lambda dx: (dx / 2,)), SQUARE_REF),
        unary(wrapped(MeanSquare, lambda dx: (dx * dx.shape[-1],)), MEAN_SQUARE_REF),
        norm(wrapped(LayerNorm, lambda dx, dw, db: (-dx, dw, db))),
        linear(changed(Linear, linear_mean)),
    ],
}


NEAR = {
    "HG152": [
        norm(changed(LayerNorm, norm_sign)),
        norm(wrapped(LayerNorm, lambda dx, dw, db: (2 * dx, dw, db))),
    ],
    "HG158": [
        Case(forwarded(ScaledRows, lambda s: 1 / s, 1), SCALED_REF, SCALED, QUICK),
        Case(ScaledRows.apply, SCALED_REF, SCALED, QUICK),
    ],
    "HG162": [
        unary(wrapped(Square, lambda dx: (dx.abs(),)), SQUARE_REF),
        unary(wrapped(Square, half_twice), SQUARE_REF),
    ],
}
