"""The MLP: the joined embeddings of the context, hidden layers, logits.

Bengio, Ducharme, Vincent, Jauvin: A Neural Probabilistic Language Model, 2003, with the lecture's
batch normalisation between each linear layer and its tanh.

    inputs (B, T) - embedding - (B, T, E) - join - (B, T*E)
    n_layer times: linear - batchnorm - tanh - (B, H)
    linear - logits (B, V) - softmax_cross_entropy with targets (B,) - loss

With one hidden layer the names are the lecture's: C, W1, b1, bngain, bnbias, W2, b2; with more,
each has its layer's number: hpreact_2, and so on, because bndiff2 already names a step.
"""

from dataclasses import dataclass
from typing import ClassVar

from handgrad.constants import BATCHNORM_NODES
from handgrad.models.call import CONTEXTS, LayerCall
from handgrad.models.initialise import (
    INITIALISATIONS,
    Arrays,
    Draw,
    draw_parameters,
    philox_draw,
)
from handgrad.models.parameters import Sized, check_momentum
from handgrad.models.shared_calls import linear_call, loss_call


@dataclass(frozen=True)
class MLP(Sized):
    """Sizes and switches. Raises SettingsError for an invalid size."""

    vocab_size: int
    block_size: int = 3
    n_embd: int = 10
    n_hidden: int = 200
    n_layer: int = 1
    """Hidden layers; 0 is a softmax regression on the joined embeddings."""
    batchnorm: bool = True
    hidden_bias: bool = True
    """False removes it. A bias before batchnorm has no effect, but the lecture keeps it."""
    batchnorm_output: bool = False
    """Batchnorm on the logits, in place of their bias, as in the lecture's deep MLP."""
    blank: bool = False
    """What is before a word has a symbol of its own, number V, as in makemore.py; the lecture uses
    the boundary."""
    momentum: float = 0.001
    """Weight of a batch in batchnorm's running statistics."""

    name = "mlp"
    batches: ClassVar[str] = CONTEXTS
    initialisations: ClassVar[tuple[str, ...]] = tuple(INITIALISATIONS)
    default_init: ClassVar[str] = "batchnorm"

    def __post_init__(self) -> None:
        self.check_sizes(vocab_size=1, block_size=1, n_embd=1, n_hidden=1, n_layer=0)
        check_momentum(self.momentum)

    @property
    def min_batch_size(self) -> int:
        """Two with batchnorm, whose variance divides by n - 1."""
        return 2 if self.batchnorm_output or (self.batchnorm and self.n_layer > 0) else 1

    @property
    def padding(self) -> int:
        """The symbol of what is before a word and its boundary."""
        return self.vocab_size if self.blank else 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of the parameters, in draw order: C, linear layers, batchnorms."""
        linears: dict[str, tuple[int, ...]] = {}
        norms: dict[str, tuple[int, ...]] = {}
        fan_in = self.block_size * self.n_embd
        for layer in range(1, self.n_layer + 2):
            fan_out = self.vocab_size if layer > self.n_layer else self.n_hidden
            linears[f"W{layer}"] = (fan_in, fan_out)
            if self._has_bias(layer):
                linears[f"b{layer}"] = (fan_out,)
            if self._has_batchnorm(layer):
                suffix = self._suffix(layer)
                norms[f"bngain{suffix}"] = norms[f"bnbias{suffix}"] = (1, fan_out)
            fan_in = fan_out
        return {"C": (self.vocab_size + self.blank, self.n_embd), **linears, **norms}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of batchnorm's running mean and variance, (1, H) each."""
        shapes = self.shapes()
        return {name: shapes[call.inputs[1]] for call in self.calls() for name in call.state}

    def calls(self) -> tuple[LayerCall, ...]:
        """Return the layer calls from the batch to the loss."""
        calls = [
            LayerCall("embedding", ("inputs", "C"), ("emb",)),
            LayerCall("join", ("emb",), ("embcat",), attributes={"k": self.block_size}),
        ]
        x = "embcat"
        for layer in range(1, self.n_layer + 1):
            suffix = self._suffix(layer)
            calls += self._linear(layer, x, f"hpreact{suffix}")
            calls.append(LayerCall("tanh", (f"hpreact{suffix}",), (f"h{suffix}",)))
            x = f"h{suffix}"
        return (*calls, *self._linear(self.n_layer + 1, x, "logits"), loss_call())

    def initialise(
        self, init: str = "batchnorm", seed: int = 0, draw: Draw | None = None
    ) -> tuple[Arrays, Arrays]:
        """Return (params, state), float32, by `INITIALISATIONS[init]` from `seed`, or from `draw`.

        Raises SettingsError for an unknown name.
        """
        self.check_init(init)
        shapes = self.shapes()
        roles = {name: self._role(name) for name in shapes}
        params = draw_parameters(shapes, roles, INITIALISATIONS[init], draw or philox_draw(seed))
        return params, self.starting_state()

    def _linear(self, layer: int, x: str, output: str) -> list[LayerCall]:
        """Return the linear layer and its batchnorm, if any, from `x` to `output`."""
        bias = self._has_bias(layer)
        if not self._has_batchnorm(layer):
            return [linear_call(f"{layer}", x, output, bias=bias)]
        suffix = self._suffix(layer)
        prebn = f"hprebn{suffix}"
        return [
            linear_call(f"{layer}", x, prebn, bias=bias),
            LayerCall(
                "batchnorm",
                (prebn, f"bngain{suffix}", f"bnbias{suffix}"),
                (*(f"{step}{suffix}" for step in BATCHNORM_NODES[:-1]), output),
                (f"bnmean_running{suffix}", f"bnvar_running{suffix}"),
                {"momentum": self.momentum},
            ),
        ]

    def _has_batchnorm(self, layer: int) -> bool:
        return self.batchnorm_output if layer > self.n_layer else self.batchnorm

    def _has_bias(self, layer: int) -> bool:
        return not self.batchnorm_output if layer > self.n_layer else self.hidden_bias

    def _suffix(self, layer: int) -> str:
        return "" if layer == self.n_layer == 1 else f"_{layer}"

    def _role(self, name: str) -> str:
        """Return the role of `name` for `draw_parameters`."""
        if name == "C":
            return "embedding"
        if name.startswith("bn"):
            return name[:6]
        side = "output" if int(name[1:]) > self.n_layer else "hidden"
        return f"{side}_weight" if name.startswith("W") else f"{side}_bias"
