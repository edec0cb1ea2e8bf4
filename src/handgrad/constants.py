"""Constants that layers, kernels and models share; importing this module loads nothing else."""

BATCHNORM_EPS = 1e-5
"""Added to a variance before its square root is taken."""
NORM_EPS = 1e-5
"""The same, in layernorm and rmsnorm."""
CLIP_EPS = 1e-6
"""Added to the norm of all gradients before it divides, as in torch.nn.utils.clip_grad_norm_."""
BATCHNORM_NODES = ("bnmeani", "bndiff", "bndiff2", "bnvar", "bnvar_inv", "bnraw", "out")
"""Names of the steps of a chunked forward; the last is the output."""
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
LAYERNORM_NODES = ("mean", "diff", "diff2", "var", "rstd", "norm", "out")
RMSNORM_NODES = ("x2", "ms", "rstd", "norm", "out")
GELU_NODES = ("inner", "squashed", "cdf", "h")
CAUSAL_MEAN_NODES = ("sums", "out")
POSITION_EMBEDDING_NODES = ("pos_emb", "out")
ATTENTION_NODES = (
    "scores",
    "masked",
    "score_maxes",
    "norm_scores",
    "counts",
    "counts_sum",
    "counts_sum_inv",
    "weights",
    "mixed",
    "out",
)
RECURRENT_NODES = ("xpreact", "h")
