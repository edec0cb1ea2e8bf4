"""The MLP's sizes, names and initialisations."""

import numpy as np
import pytest

from handgrad.errors import SettingsError
from handgrad.models import INITIALISATIONS, MLP
from handgrad.models.initialise import philox_draw


def test_lectures_model() -> None:
    model = MLP(27)
    assert model.n_parameters == 12297
    assert model.shapes() == {
        "C": (27, 10),
        "W1": (30, 200),
        "b1": (200,),
        "W2": (200, 27),
        "b2": (27,),
        "bngain": (1, 200),
        "bnbias": (1, 200),
    }
    nodes = [node for call in model.calls() for node in call.nodes]
    # fmt: off
    assert nodes == [
        "emb", "embcat", "hprebn", "bnmeani", "bndiff", "bndiff2", "bnvar", "bnvar_inv", "bnraw",
        "hpreact", "h", "logits", "logit_maxes", "norm_logits", "counts", "counts_sum",
        "counts_sum_inv", "probs", "logprobs", "loss",
    ]
    # fmt: on


def test_lectures_deep_model() -> None:
    deep = MLP(27, n_hidden=100, n_layer=5, hidden_bias=False, batchnorm_output=True)
    assert deep.n_parameters == 47024


@pytest.mark.parametrize("n_layer", [0, 1, 2, 5])
@pytest.mark.parametrize("batchnorm", [True, False])
@pytest.mark.parametrize("batchnorm_output", [True, False])
@pytest.mark.parametrize("hidden_bias", [True, False])
def test_calls_read_only_existing_names(
    n_layer: int, batchnorm: bool, batchnorm_output: bool, hidden_bias: bool
) -> None:
    model = MLP(
        5,
        n_layer=n_layer,
        batchnorm=batchnorm,
        batchnorm_output=batchnorm_output,
        hidden_bias=hidden_bias,
    )
    there = {*model.shapes(), "inputs", "targets"}
    read: set[str] = set()
    for call in model.calls():
        assert set(call.inputs) <= there
        assert there.isdisjoint(call.nodes)
        there |= set(call.nodes)
        read |= set(call.inputs)
    assert set(model.shapes()) <= read  # every parameter has a use
    assert (model.min_batch_size == 2) == bool(model.state_shapes())
    params, state = model.initialise("exercise")
    assert {k: v.shape for k, v in params.items()} == model.shapes()
    assert {k: v.shape for k, v in state.items()} == model.state_shapes()


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_initialisation_has_its_scales(init: str) -> None:
    model = MLP(1000, n_embd=30, n_hidden=400)
    params, state = model.initialise(init, seed=5)
    scales = INITIALISATIONS[init]
    fan_in = params["W1"].shape[0]
    w1 = scales.hidden_weight / (fan_in**0.5 if scales.hidden_by_fan_in else 1)
    spread = {
        "C": 1.0,
        "W1": w1,
        "b1": scales.hidden_bias,
        "W2": scales.output_weight,
        "b2": scales.output_bias,
        "bngain": scales.bngain,
        "bnbias": scales.bnbias,
    }
    for name, expected in spread.items():
        # the spread of n numbers is off by 1 / sqrt(2n); 4 of those, for the smallest n of 400
        assert params[name].std() == pytest.approx(expected, rel=4 / (2 * 400) ** 0.5)
        assert params[name].dtype == np.float32
    assert params["bngain"].mean() == pytest.approx(1, abs=4 * max(scales.bngain, 1e-9) / 20)
    assert (state["bnmean_running"] == 0).all()
    assert (state["bnvar_running"] == 1).all()


def test_initialisation_depends_on_the_seed_alone() -> None:
    first, _ = MLP(27).initialise("exercise", seed=1)
    again, _ = MLP(27).initialise("exercise", seed=1)
    other, _ = MLP(27).initialise("exercise", seed=2)
    assert all((first[k] == again[k]).all() for k in first)
    assert not any((first[k] == other[k]).all() for k in first)
    # what is drawn for one name does not depend on the scales of those before it
    assert (MLP(27).initialise("batchnorm", seed=1)[0]["C"] == first["C"]).all()


def test_initialisation_is_not_drawn_from_the_stream_of_the_batches() -> None:
    for seed in (0, 1):
        batches = np.random.Generator(np.random.Philox(key=seed))
        assert (philox_draw(seed)((100,)) != batches.standard_normal(100, np.float32)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"block_size": 0}, "block_size must be at least 1, got 0"),
        ({"n_embd": -1}, "n_embd must be at least 1, got -1"),
        ({"n_hidden": 0}, "n_hidden must be at least 1, got 0"),
        ({"n_layer": -1}, "n_layer must be at least 0, got -1"),
        ({"momentum": 0.0}, "momentum must be above 0 and at most 1, got 0.0"),
        ({"momentum": 1.5}, "momentum must be above 0 and at most 1, got 1.5"),
    ],
)
def test_invalid_sizes(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        MLP(**{"vocab_size": 27, **settings})
    assert str(caught.value) == message


def test_unknown_initialisation() -> None:
    with pytest.raises(SettingsError) as caught:
        MLP(27).initialise("xavier")
    assert str(caught.value) == (
        "unknown initialisation 'xavier'; known: original, softmax_not_confidently_wrong, "
        "tanh_not_saturated, batchnorm, exercise"
    )
