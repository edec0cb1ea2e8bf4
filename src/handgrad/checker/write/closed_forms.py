"""CLOSED_FORMS: the backward passes of fused blocks as text, in one table.

`d` is the gradient of the block's result. `p` are probabilities, `xhat` the normalised input and
`rstd` the reciprocal standard deviation. `dims` are the dimensions that a block reduces.

The norms come in two forms. "norm" sums, as the lecture writes it: `n` is the number of elements
that are reduced, `scale` is `rstd` or `gain * rstd`, and `bessel` is empty or `n / (n - 1) * ` for
a variance that divides by n - 1. "norm_of_means" has no `n`.

At a target whose probability is almost 1, `softmax - one_hot` cancels to noise;
"cross_entropy_of_others" writes that entry as minus the sum of the other probabilities.
"""

CLOSED_FORMS = {
    "softmax": "{p} * ({d} - ({p} * {d}).sum({dim}, keepdim=True))",
    "log_softmax": "{d} - torch.exp({out}) * {d}.sum({dim}, keepdim=True)",
    "one_hot": "torch.nn.functional.one_hot({index}, {classes})",
    "cross_entropy": "(torch.softmax({logits}, {dim}) - {target})",
    "other_probabilities": "torch.softmax({logits}, 1) * (1 - {target})",
    "cross_entropy_of_others": "({others} - {target} * {others}.sum(1, keepdim=True))",
    "rstd": "({x}.var({dims}, correction={correction}, keepdim=True) + {eps}) ** -0.5",
    "rstd_without_eps": "{x}.var({dims}, correction={correction}, keepdim=True) ** -0.5",
    "rms_rstd": "(({x}**2).mean({dims}, keepdim=True) + {eps}) ** -0.5",
    "rms_rstd_without_eps": "({x}**2).mean({dims}, keepdim=True) ** -0.5",
    "rms_xhat": "{x} * {rstd}",
    "xhat": "({x} - {x}.mean({dims}, keepdim=True)) * {rstd}",
    "norm": (
        "{scale} / {n} * ({n} * {d} - {d}.sum({dims})"
        " - {bessel}{xhat} * ({d} * {xhat}).sum({dims}))"
    ),
    "bessel": "{n} / ({n} - 1) * ",
    "norm_of_means": (
        "rstd * ({d} - {d}.mean({dims}, keepdim=True)"
        " - xhat * ({d} * xhat).mean({dims}, keepdim=True))"
    ),
    "rms_norm": "rstd * ({d} - {xhat} * ({d} * {xhat}).mean({dims}, keepdim=True))",
    "normalize": "({d} - {out} * ({out} * {d}).sum({dim}, keepdim=True)) / {norm}",
}


def closed_form(name: str, **parts: object) -> str:
    """Return a closed form with an expression for each of its placeholders."""
    return CLOSED_FORMS[name].format(**parts)
