"""The models that `handgrad verify` and the test of all engines cover, by name."""

from handgrad.models import MLP, Model

LECTURE = "lecture"

MODEL_CASES: dict[str, tuple[Model, int]] = {
    # name: (model, batch size)
    LECTURE: (MLP(27, n_hidden=64), 32),
    "lecture, 200 wide": (MLP(27), 32),
    "no hidden layer": (MLP(5, block_size=2, n_embd=3, n_layer=0), 7),
    "no batchnorm": (MLP(11, n_embd=3, n_hidden=5, batchnorm=False), 1),
    "two rows": (MLP(3, block_size=1, n_embd=1, n_hidden=1), 2),
    "primes": (MLP(7, block_size=5, n_embd=3, n_hidden=13, n_layer=2), 17),
    "deep": (MLP(27, n_hidden=20, n_layer=5, hidden_bias=False, batchnorm_output=True), 32),
    "block of 16": (MLP(27, block_size=16, n_embd=4, n_hidden=30), 64),
}
