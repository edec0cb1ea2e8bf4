"""Causal attention within each word: out = softmax(mask(q @ k.T / sqrt(D))) @ v, by heads.

q, k, v, out (N, C), packed with offsets (B + 1,): each character attends to itself and to the
earlier ones of its word. Each of `heads` heads has D = C / heads channels. The chunked form lays
the words side by side, (B, heads, T, T); the closed form computes blocks of rows again backward, so
its memory is linear in T.
Vaswani et al.: Attention Is All You Need, 2017, arXiv:1706.03762; Dao et al.: FlashAttention, 2022,
arXiv:2205.14135. Derivation: docs/derivations/attention.md
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from handgrad.constants import ATTENTION_NODES

INPUTS = ("q", "k", "v", "offsets")
NODES = ATTENTION_NODES
ROWS = 128
"""Tokens of a word per block."""
NUMBERS = 2**22
"""Scores in a block at most, unless one word alone has more."""


_Cache = tuple[Tensor, Tensor, Tensor, Tensor]
"""q, k, v, offsets: backward computes the weights again."""


def forward(
    q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, *, heads: int
) -> tuple[Tensor, _Cache]:
    """Attend block by block; keep no weights."""
    out = torch.empty_like(v)
    for rows, keys, exists, future in _blocks(offsets, heads):
        weights = _scores(q[rows], k[keys], future, heads).softmax(-1)  # (b, heads, R, K)
        out[rows[exists]] = _side_by_side(weights @ _by_heads(v[keys], heads))[exists]
    return out, (q, k, v, offsets)


def backward(dout: Tensor, cache: _Cache, *, heads: int) -> tuple[Tensor, Tensor, Tensor, None]:
    """Return (dq, dk, dv, None), where, row by row and head by head, with dweights = dout @ v.T,

    dscores = weights * (dweights - sum(weights * dweights)), dq = dscores @ k / sqrt(D),
    dk = dscores.T @ q / sqrt(D), dv = weights.T @ dout. A block has all keys of its rows, so the
    sum needs no pass of its own, and is exact where a row has one key.
    """
    q, k, v, offsets = cache
    scale = (q.shape[1] // heads) ** -0.5
    dq, dk, dv = (torch.zeros(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    for rows, keys, exists, future in _blocks(offsets, heads):
        weights = _scores(q[rows], k[keys], future, heads).softmax(-1)
        # rows beyond the end of a word are computed for their block's shape and contribute nothing
        dblock = _by_heads(dout[rows] * exists.unsqueeze(-1), heads)
        dv.index_add_(0, keys.flatten(), _rows(weights.transpose(-2, -1) @ dblock))
        dscores = dblock @ _by_heads(v[keys], heads).transpose(-2, -1)
        dscores.sub_((weights * dscores).sum(-1, keepdim=True)).mul_(weights).mul_(scale)
        dq.index_add_(0, rows.flatten(), _rows(dscores @ _by_heads(k[keys], heads)))
        dk.index_add_(
            0, keys.flatten(), _rows(dscores.transpose(-2, -1) @ _by_heads(q[rows], heads))
        )
    return dq, dk, dv, None


def forward_chunked(
    q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, *, heads: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute forward one step per line, words side by side; cache every step."""
    rows, exists, future = _whole(offsets)
    queries, keys, values = (_by_heads(x[rows], heads) for x in (q, k, v))  # (B, heads, T, D)
    scale = queries.shape[-1] ** -0.5
    scores = scale * (queries @ keys.transpose(-2, -1))  # (B, heads, T, T)
    masked = scores.masked_fill(future, -torch.inf)
    score_maxes = masked.max(-1, keepdim=True).values  # (B, heads, T, 1)
    norm_scores = masked - score_maxes  # at most 0: exp cannot overflow
    counts = norm_scores.exp()
    counts_sum = counts.sum(-1, keepdim=True)
    counts_sum_inv = counts_sum**-1
    weights = counts * counts_sum_inv  # each row sums to 1
    mixed = weights @ values  # (B, heads, T, D)
    out = _side_by_side(mixed)[exists]  # (N, C)
    steps = (scores, masked, score_maxes, norm_scores, counts, counts_sum, counts_sum_inv)
    cache = {"q": q, "k": k, "v": v, "offsets": offsets}
    return out, cache | dict(zip(NODES, (*steps, weights, mixed, out), strict=True))


def backward_chunked(dout: Tensor, cache: dict[str, Tensor], *, heads: int) -> dict[str, Tensor]:
    """Return every step's gradient."""
    rows, exists, future = _whole(cache["offsets"])
    queries, keys, values = (_by_heads(cache[name][rows], heads) for name in ("q", "k", "v"))
    scale = queries.shape[-1] ** -0.5
    masked, counts, weights = cache["masked"], cache["counts"], cache["weights"]
    counts_sum, counts_sum_inv = cache["counts_sum"], cache["counts_sum_inv"]
    # out = mixed of the characters that exist
    dmixed = _by_heads(dout.new_zeros(*rows.shape, dout.shape[1]), heads)
    dmixed.transpose(1, 2)[exists] = dout.view(len(dout), heads, -1)
    # mixed = weights @ values
    dweights = dmixed @ values.transpose(-2, -1)
    dvalues = weights.transpose(-2, -1) @ dmixed
    # weights = counts * counts_sum_inv
    dcounts_sum_inv = (counts * dweights).sum(-1, keepdim=True)
    dcounts = counts_sum_inv * dweights
    # counts_sum_inv = counts_sum**-1
    dcounts_sum = -(counts_sum**-2) * dcounts_sum_inv
    # counts_sum = counts.sum(-1, keepdim=True)
    dcounts += torch.ones_like(counts) * dcounts_sum
    # counts = norm_scores.exp()
    dnorm_scores = counts * dcounts
    # norm_scores = masked - score_maxes
    dscore_maxes = (-dnorm_scores).sum(-1, keepdim=True)
    dmasked = dnorm_scores.clone()
    # score_maxes = masked.max(-1, keepdim=True).values
    largest = masked.max(-1, keepdim=True).indices
    dmasked += torch.zeros_like(masked).scatter_(-1, largest, dscore_maxes)
    # masked = scores.masked_fill(future, -torch.inf)
    dscores = dmasked.masked_fill(future, 0.0)
    # scores = scale * (queries @ keys.transpose(-2, -1))
    dqueries = (scale * dscores) @ keys
    dkeys = (scale * dscores).transpose(-2, -1) @ queries
    # queries, keys, values = rows of q, k, v, by heads
    dq = _side_by_side(dqueries)[exists]
    dk = _side_by_side(dkeys)[exists]
    dv = _side_by_side(dvalues)[exists]
    steps = (dscores, dmasked, dscore_maxes, dnorm_scores, dcounts, dcounts_sum, dcounts_sum_inv)
    gradients = {"q": dq, "k": dk, "v": dv}
    return gradients | dict(zip(NODES[:-1], (*steps, dweights, dmixed), strict=True))


def step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    offsets: None,
    *,
    t: int,
    carried: dict[str, Tensor],
    heads: int,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Attend from character t of B words, q, k, v (B, C); carried: their keys and values so far."""
    keys, values = k.unsqueeze(1), v.unsqueeze(1)  # (B, 1, C)
    if t:
        keys = torch.cat([carried["keys"], keys], 1)  # (B, t + 1, C)
        values = torch.cat([carried["values"], values], 1)
    present = torch.zeros(1, 1, dtype=torch.bool, device=q.device)
    weights = _scores(q.unsqueeze(1), keys, present, heads).softmax(-1)
    out = _side_by_side(weights @ _by_heads(values, heads)).squeeze(1)
    return out, {"keys": keys, "values": values}


def _blocks(offsets: Tensor, heads: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield (rows (b, R), keys (b, K), which rows exist (b, R), which keys are future (R, K)).

    A block is the same characters of several words, as many as fit NUMBERS scores, with the keys up
    to its last character. Words that have none of these characters do not take part.
    """
    lengths, order = offsets.diff().sort(descending=True, stable=True)
    begins, ends = offsets[:-1][order], offsets[1:][order]
    longest: list[int] = lengths.tolist()
    first = 0
    while first < longest[0]:
        taking = sum(length > first for length in longest)
        word = 0
        while word < taking:
            end = min(longest[word], first + ROWS)
            words = max(1, NUMBERS // (heads * (end - first) * end))
            part = slice(word, min(taking, word + words))
            pairs = torch.stack([begins[part], ends[part]])
            rows, exists = _tokens(pairs, first, end)
            keys, _ = _tokens(pairs, 0, end)
            yield rows, keys, exists, _future(first, end, offsets.device)
            word += words
        first += ROWS


def _tokens(words: Tensor, first: int, end: int) -> tuple[Tensor, Tensor]:
    """Return the rows of characters first .. end - 1 of words (2, b), and which exist."""
    places = words[0, :, None] + torch.arange(first, end, device=words.device)
    last = words[1, :, None] - 1
    return torch.minimum(places, last), places <= last


def _whole(offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of words side by side (B, T), which of them exist, and the mask (T, T)."""
    longest = int(offsets.diff().max())
    rows, exists = _tokens(torch.stack([offsets[:-1], offsets[1:]]), 0, longest)
    return rows, exists, _future(0, longest, offsets.device)


def _future(first: int, end: int, device: torch.device) -> Tensor:
    """Return (R, K): whether key j comes after character first + i."""
    tokens = torch.arange(end, device=device)
    return tokens > tokens[first:, None]


def _scores(queries: Tensor, keys: Tensor, future: Tensor, heads: int) -> Tensor:
    """Return (b, heads, R, K), minus infinity for future keys."""
    scale = (queries.shape[-1] // heads) ** -0.5
    keys_t = _by_heads(keys, heads).transpose(-2, -1)
    scores: Tensor = _by_heads(queries, heads) * scale @ keys_t
    return scores.masked_fill_(future, -torch.inf)


def _by_heads(x: Tensor, heads: int) -> Tensor:
    """Return (b, T, C) as (b, heads, T, D)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _side_by_side(x: Tensor) -> Tensor:
    """Return (b, heads, T, D) as (b, T, C)."""
    return x.transpose(1, 2).flatten(2)


def _rows(x: Tensor) -> Tensor:
    """Return (b, heads, T, D) as (b * T, C)."""
    return _side_by_side(x).flatten(0, 1)
