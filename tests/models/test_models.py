"""Sizes of all models, and what `make_model` refuses."""

import pytest

from handgrad.errors import SettingsError
from handgrad.models import MLP, MODELS, make_model

PARAMETERS = {
    # makemore.py's defaults, the lecture's hierarchical model, microgpt
    "bigram": 729,
    "bow": 12_827,
    "rnn": 11_803,
    "gru": 28_315,
    "transformer": 204_544,
    "wavenet": 76_579,
    "microgpt": 4_192,
    # the lecture's, and one that makemore.py does not have
    "mlp": 12_297,
    "lstm": 36_635,
}


def test_parameter_counts_are_the_originals() -> None:
    assert {name: make_model(name, 27, 15, {}).n_parameters for name in MODELS} == PARAMETERS
    deep = MLP(27, n_hidden=100, n_layer=5, hidden_bias=False, batchnorm_output=True)
    assert deep.n_parameters == 47_024
    makemore = MLP(27, block_size=16, n_embd=64, n_hidden=64, batchnorm=False, blank=True)
    assert makemore.n_parameters == 69_147


def test_words_are_read_to_the_longest() -> None:
    assert make_model("gru", 27, 20, {}).block_size == 21
    assert make_model("gru", 27, 20, {"block_size": 5}).block_size == 5
    assert make_model("mlp", 27, 20, {}).block_size == 3


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        (
            "cnn",
            {},
            "unknown model cnn; known: mlp, bigram, bow, wavenet, rnn, lstm, gru, transformer, "
            "microgpt",
        ),
        (
            "gru",
            {"n_head": 2},
            "model gru has no n_head; it has block_size, n_embd, n_hidden, n_layer, truncate",
        ),
        ("transformer", {"n_head": 3}, "n_embd must be a multiple of n_head, got 64 and 3"),
        ("transformer", {"n_layer": 0}, "n_layer must be at least 1, got 0"),
        ("wavenet", {"block_size": 6}, "block_size must be a power of two, at least 2, got 6"),
        ("lstm", {"truncate": -1}, "truncate must be at least 0, got -1"),
        ("bow", {"n_embd": 0}, "n_embd must be at least 1, got 0"),
    ],
)
def test_bad_sizes(name: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_model(name, 27, 15, sizes)
    assert str(caught.value) == message
