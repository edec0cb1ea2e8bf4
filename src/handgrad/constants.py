"""What layers of torch, kernels and models share, and importing it costs nothing."""

BATCHNORM_EPS = 1e-5
"""Added to a variance before its root is taken."""
BATCHNORM_NODES = ("bnmeani", "bndiff", "bndiff2", "bnvar", "bnvar_inv", "bnraw", "out")
"""The named steps of a chunked forward, the output last."""
SOFTMAX_CROSS_ENTROPY_NODES = (
    "logit_maxes",
    "norm_logits",
    "counts",
    "counts_sum",
    "counts_sum_inv",
    "probs",
    "logprobs",
    "loss",
)
