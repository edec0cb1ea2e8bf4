"""Softmax and cross-entropy: loss = -mean(log softmax(logits)[b, targets[b]]), nats.

logits (..., V), targets (...) integers, loss a scalar: the mean over the n targets that are at
least 0; rows with a negative target are ignored. With none left the loss is NaN, as in PyTorch.
The closed form of the backward is (softmax(logits) - one_hot(targets)) / n.
Derivation: docs/derivations/softmax_cross_entropy.md
"""

from typing import NamedTuple

import torch
from torch import Tensor

from handgrad.constants import SOFTMAX_CROSS_ENTROPY_NODES

INPUTS = ("logits", "targets")
NODES = SOFTMAX_CROSS_ENTROPY_NODES


class _Cache(NamedTuple):
    logprobs: Tensor  # (..., V)
    targets: Tensor  # (...)
    kept: int  # n


def forward(logits: Tensor, targets: Tensor) -> tuple[Tensor, _Cache]:
    """Return the loss by log_softmax, which neither overflows nor takes the log of 0."""
    logprobs = torch.log_softmax(logits, -1)  # (..., V)
    kept = targets.numel() - int((targets < 0).sum())
    rows, of_rows = logprobs.reshape(-1, logprobs.shape[-1]), targets.reshape(-1)
    if kept < targets.numel():
        of_rows = of_rows.clamp(min=-1)
    loss = torch.nn.functional.nll_loss(rows, of_rows, ignore_index=-1)
    return loss, _Cache(logprobs, targets, kept)


def backward(dout: Tensor, cache: _Cache) -> tuple[Tensor, None]:
    """Return (dlogits, None).

    At the target, probability - 1 is computed as minus the sum of the others: where the model is
    confidently right, the difference would cancel to noise, as in PyTorch's cross_entropy.
    """
    logprobs, targets, kept = cache
    dlogits = logprobs.exp().mul_(dout / kept)  # (..., V)
    at_target = targets.unsqueeze(-1)
    if kept < targets.numel():
        dlogits.masked_fill_(at_target < 0, 0)
        at_target = at_target.clamp(min=0)
    dlogits.scatter_(-1, at_target, 0.0)
    dlogits.scatter_(-1, at_target, dlogits.sum(-1, keepdim=True).neg_())
    return dlogits, None


def forward_chunked(logits: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line; cache every step.

    Logits more than about 103 below the largest of their row (float32) underflow to a probability
    of 0 and a loss of infinity. This is the lecture's form; the closed form does not underflow.
    """
    logit_maxes = logits.max(-1, keepdim=True).values  # (..., 1)
    norm_logits = logits - logit_maxes  # (..., V), at most 0: exp cannot overflow
    counts = norm_logits.exp()
    counts_sum = counts.sum(-1, keepdim=True)  # (..., 1)
    counts_sum_inv = counts_sum**-1  # the backward of 1 / counts_sum has other bits
    probs = counts * counts_sum_inv  # (..., V)
    logprobs = probs.log()
    kept = (targets >= 0).nonzero(as_tuple=True)  # every row, if none is ignored
    loss = -logprobs[(*kept, targets[kept])].mean()  # ()
    steps = (logit_maxes, norm_logits, counts, counts_sum, counts_sum_inv, probs, logprobs, loss)
    return loss, {"logits": logits, "targets": targets, **dict(zip(NODES, steps, strict=True))}


def backward_chunked(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every step's gradient, with autograd's bits at the lecture's sizes."""
    logits, targets, counts = cache["logits"], cache["targets"], cache["counts"]
    counts_sum, counts_sum_inv = cache["counts_sum"], cache["counts_sum_inv"]
    kept = (targets >= 0).nonzero(as_tuple=True)
    # loss = -logprobs[(*kept, targets[kept])].mean()
    dlogprobs = torch.zeros_like(logits)
    dlogprobs[(*kept, targets[kept])] = -dout / len(kept[0])
    # logprobs = probs.log()
    dprobs = dlogprobs / cache["probs"]  # (1 / probs) * dlogprobs rounds twice
    # probs = counts * counts_sum_inv
    dcounts_sum_inv = (counts * dprobs).sum(-1, keepdim=True)
    dcounts = counts_sum_inv * dprobs
    # counts_sum_inv = counts_sum**-1
    dcounts_sum = -(counts_sum**-2) * dcounts_sum_inv
    # counts_sum = counts.sum(-1, keepdim=True)
    dcounts += torch.ones_like(counts) * dcounts_sum
    # counts = norm_logits.exp()
    dnorm_logits = counts * dcounts
    # norm_logits = logits - logit_maxes
    dlogit_maxes = (-dnorm_logits).sum(-1, keepdim=True)
    dlogits = dnorm_logits.clone()
    # logit_maxes = logits.max(-1, keepdim=True).values
    largest = logits.max(-1, keepdim=True).indices  # (..., 1): the first where several tie
    dlogits += torch.zeros_like(logits).scatter_(-1, largest, dlogit_maxes)
    return {
        "logits": dlogits,
        "logit_maxes": dlogit_maxes,
        "norm_logits": dnorm_logits,
        "counts": dcounts,
        "counts_sum": dcounts_sum,
        "counts_sum_inv": dcounts_sum_inv,
        "probs": dprobs,
        "logprobs": dlogprobs,
    }
