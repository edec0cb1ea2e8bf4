"""The hierarchical model of the lecture's part 5: neighbours are joined two by two.

    inputs (B, T) - embedding - (B, T, E)
    log2(T) times: two neighbours in one - linear - batchnorm - tanh - half as many, (B, T / 2, H)
    linear - logits (B, V)

van den Oord et al.: WaveNet, 2016, arXiv:1609.03499, without its dilated convolutions.
"""

from dataclasses import dataclass
from typing import ClassVar

from handgrad.constants import BATCHNORM_NODES
from handgrad.errors import SettingsError
from handgrad.models.call import CONTEXTS, LayerCall
from handgrad.models.parameters import (
    Parameter,
    Parameters,
    Parametrised,
    check_momentum,
    linear_parameters,
)
from handgrad.models.shared_calls import linear_call, loss_call, numbered


@dataclass(frozen=True)
class WaveNet(Parametrised):
    """Sizes. Raises SettingsError for an invalid one."""

    vocab_size: int
    block_size: int = 8
    """A power of two."""
    n_embd: int = 24
    n_hidden: int = 128
    momentum: float = 0.1
    """Weight of a batch in batchnorm's running statistics."""

    name = "wavenet"
    batches: ClassVar[str] = CONTEXTS
    min_batch_size: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self.check_sizes(vocab_size=1, block_size=1, n_embd=1, n_hidden=1)
        if self.block_size < 2 or self.block_size & (self.block_size - 1):
            raise SettingsError(
                f"block_size must be a power of two, at least 2, got {self.block_size}"
            )
        check_momentum(self.momentum)

    @property
    def n_layer(self) -> int:
        """The number of hidden layers, log2(T)."""
        return self.block_size.bit_length() - 1

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name -> shape of batchnorm's running mean and variance, (1, H) each."""
        return {name: (1, self.n_hidden) for call in self.calls() for name in call.state}

    def calls(self) -> tuple[LayerCall, ...]:
        """Return the layer calls from the batch to the loss."""
        calls, x = [LayerCall("embedding", ("inputs", "C"), ("emb",))], "emb"
        for layer in range(1, self.n_layer + 1):
            pairs = f"pairs_{layer}"
            last = layer == self.n_layer  # the last pair of neighbours is the whole row
            flatten = "join" if last else "flatten_consecutive"
            calls += [
                LayerCall(flatten, (x,), (pairs,), attributes={"k": 2}),
                linear_call(f"{layer}", pairs, f"hprebn_{layer}", bias=False),
                LayerCall(
                    "batchnorm",
                    (f"hprebn_{layer}", f"bngain_{layer}", f"bnbias_{layer}"),
                    numbered(BATCHNORM_NODES, f"{layer}", f"hpreact_{layer}"),
                    (f"bnmean_running_{layer}", f"bnvar_running_{layer}"),
                    {"momentum": self.momentum},
                ),
                LayerCall("tanh", (f"hpreact_{layer}",), (f"h_{layer}",)),
            ]
            x = f"h_{layer}"
        return (*calls, linear_call(f"{self.n_layer + 1}", x, "logits"), loss_call())

    def parameters(self) -> Parameters:
        """Return the parameters in draw order."""
        hidden, fan_in = self.n_hidden, 2 * self.n_embd
        parameters = {"C": Parameter((self.vocab_size, self.n_embd), 1.0)}
        for layer in range(1, self.n_layer + 1):
            parameters |= linear_parameters(f"{layer}", fan_in, hidden, bias=False)
            parameters[f"bngain_{layer}"] = Parameter((1, hidden), 0.0, 1.0)
            parameters[f"bnbias_{layer}"] = Parameter((1, hidden), 0.0)
            fan_in = 2 * hidden
        # the last layer starts not confidently wrong
        parameters |= linear_parameters(f"{self.n_layer + 1}", hidden, self.vocab_size, std=0.01)
        return parameters
