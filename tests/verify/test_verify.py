"""`handgrad verify` accepts correct code, and finds a wrong line."""

import pytest
import torch
from torch import Tensor

from handgrad.engine import ENGINES, Batch, to_tensors
from handgrad.engine.fused import Fused
from handgrad.layers import (
    LAYERS,
    batchnorm,
    causal_mean,
    dropout,
    gelu,
    layernorm,
    linear,
    position_embedding,
    softmax_cross_entropy,
    tanh,
)
from handgrad.models import MLP, MODELS
from handgrad.verify import DTYPES, verify_batch, verify_layers, verify_models
from handgrad.verify.lines import line_in_model, line_of

LECTURES_26 = (
    "C W1 b1 W2 b2 bngain bnbias emb embcat hprebn bnmeani bndiff bndiff2 bnvar bnvar_inv bnraw"
    " hpreact h logits logit_maxes norm_logits counts counts_sum counts_sum_inv probs logprobs"
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_our_gradients_are_correct(dtype: str) -> None:
    rows = [*verify_layers(DTYPES[dtype]), *verify_models(DTYPES[dtype])]
    assert [row for row in rows if not row.ok] == []
    assert {row.model for row in rows} == {*LAYERS, *MODELS}
    assert {row.engine for row in rows} == {"chunked", "fused", "compiled"}


def test_the_lectures_26_are_exact_or_differ_by_rounding() -> None:
    """Whether they are bit-exact depends on the torch build and the CPU; they are never wrong."""
    rows = [
        row for row in verify_models(torch.float32, cases=["lecture"]) if row.engine == "chunked"
    ]
    assert sorted(row.node for row in rows) == sorted(LECTURES_26.split())
    assert {row.verdict for row in rows} <= {"exact", "rounding"}


# A fault a layer: what a wrong line would give in place of the right one.
def _no_bessel(dout: Tensor, cache: batchnorm._Cache) -> tuple[Tensor, Tensor, Tensor]:
    n = dout.shape[0]
    dx, dgain, dbias = RIGHT["batchnorm"](dout, cache)
    off = cache.bngain * cache.bnvar_inv * cache.bnraw * dgain * (1 / (n - 1) - 1 / n)
    return dx + off, dgain, dbias


def _off_by_a_thousandth(dout: Tensor, cache: Tensor) -> tuple[Tensor]:
    return (RIGHT["tanh"](dout, cache)[0] * 1.001,)


def _forgotten_batch_size(dout: Tensor, cache: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
    return RIGHT["softmax_cross_entropy"](dout, cache)[0] * cache[0].shape[0], None


def _bias_kept_as_a_row(dout: Tensor, cache: tuple) -> tuple[Tensor, Tensor, Tensor]:
    dx, dW, db = RIGHT["linear"](dout, cache)
    return dx, dW, db if db is None else db[None]


def _gain_outside_the_means(dout: Tensor, cache: layernorm._Cache) -> tuple[Tensor, ...]:
    norm, rstd, gain = cache
    _, dgain, dbias = RIGHT["layernorm"](dout, cache)
    along = (dout * norm).mean(-1, keepdim=True)
    return gain * rstd * (dout - dout.mean(-1, keepdim=True) - norm * along), dgain, dbias


def _no_scale(dout: Tensor, cache: dropout._Cache) -> tuple[Tensor, None]:
    return dout * cache.kept, None


def _forward_sums(dout: Tensor, cache: causal_mean._Cache) -> tuple[Tensor, None]:
    counts = (cache.positions + 1).to(dout.dtype).unsqueeze(1)
    return causal_mean._running(dout / counts, *cache), None


def _assigned(dout: Tensor, cache: tuple[Tensor, Tensor]) -> tuple[Tensor, None, Tensor]:
    positions, P = cache
    dP = torch.zeros_like(P)
    dP[positions] = dout
    return dout.clone(), None, dP


def _the_other_gelu(dout: Tensor, cache: Tensor, *, exact: bool) -> tuple[Tensor]:
    return RIGHT["gelu"](dout, cache, exact=not exact)


RIGHT = {name: LAYERS[name].backward for name in LAYERS}
FAULTS = [
    (batchnorm, _no_bessel, "x", "wrong"),
    (tanh, _off_by_a_thousandth, "hpreact", "wrong"),
    (softmax_cross_entropy, _forgotten_batch_size, "logits", "wrong"),
    (linear, _bias_kept_as_a_row, "b", "shape"),
    (layernorm, _gain_outside_the_means, "x", "wrong"),
    (dropout, _no_scale, "x", "wrong"),
    (causal_mean, _forward_sums, "x", "wrong"),
    (position_embedding, _assigned, "P", "wrong"),
    (gelu, _the_other_gelu, "hpreact", "wrong"),
]
# a batch of one, a single column or symbol can make a fault no fault at all
DULL = {
    "one row", "one symbol", "ones", "one channel", "nothing dropped", "one word",
    "one character each", "near 0", "near 0, exact",
}  # fmt: skip


@pytest.mark.parametrize(("layer", "fault", "node", "verdict"), FAULTS)
def test_a_wrong_line_is_found_in_every_case(
    monkeypatch: pytest.MonkeyPatch, layer: object, fault: object, node: str, verdict: str
) -> None:
    name = next(key for key in LAYERS if LAYERS[key] is layer)
    monkeypatch.setattr(layer, "backward", fault)
    rows = [
        row
        for row in verify_layers(torch.float32, names=(name, "linear", "embedding"))
        if row.engine == "fused"
    ]
    seen = [row for row in rows if (row.model, row.node) == (name, node)]
    assert {row.verdict for row in seen if row.case not in DULL} == {verdict}
    assert all(row.ok for row in rows if row.model != name)


@pytest.mark.parametrize("engine", ["chunked", "fused"])
def test_one_batch(engine: str) -> None:
    model = MLP(27, n_hidden=64)
    params, state = (to_tensors(arrays) for arrays in model.initialise("batchnorm"))
    generator = torch.Generator().manual_seed(1)
    batch = Batch(
        torch.randint(0, 27, (32, 3), generator=generator),
        torch.randint(0, 27, (32,), generator=generator),
    )
    rows = verify_batch(ENGINES[engine](model), model, params, state, batch)
    assert {row.node for row in rows} >= set(params)
    assert all(row.ok for row in rows)


@pytest.mark.parametrize("seed", range(4))
def test_batchnorm_of_two_rows_is_correct(seed: int) -> None:
    """Its gradient nearly cancels in the closed form, exactly in steps: rounding, no error."""
    model = MLP(27, n_hidden=7, n_layer=2)
    params, state = (to_tensors(arrays) for arrays in model.initialise("batchnorm", seed))
    generator = torch.Generator().manual_seed(seed)
    batch = Batch(
        torch.randint(0, 27, (2, 3), generator=generator),
        torch.randint(0, 27, (2,), generator=generator),
    )
    assert [
        row for row in verify_batch(Fused(model), model, params, state, batch) if not row.ok
    ] == []


def test_a_verdict_points_at_its_line() -> None:
    for name, layer in LAYERS.items():
        outputs = getattr(layer, "OUTPUTS", layer.NODES[-1:])
        without = {"indices", "targets", "offsets", "key", *outputs}
        for node in (n for n in (*layer.INPUTS, *layer.NODES) if n not in without):
            line = line_of(name, node)
            assert line is not None, (name, node)
            assert f"d{node}" in line
    model = MLP(27)
    found = line_in_model(model, "bnvar_inv")
    assert found is not None
    file, _, statement = found.split(":", 2)
    assert file == "batchnorm.py"
    assert statement == " dbnvar_inv = _rows(bndiff * dbnraw).sum(0, keepdim=True)"
    assert line_in_model(model, "W1") == line_of("linear", "W")
    assert line_in_model(model, "nothing") is None
