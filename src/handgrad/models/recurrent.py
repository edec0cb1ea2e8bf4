"""Recurrent networks: the state after each character, then logits. As in makemore.py.

    inputs (N,) - embedding - emb (N, E) - rnn, lstm or gru through each word - h (N, H)
    - linear - logits (N, V)

The state before a word's first character is a parameter. With several layers, each reads the states
of the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from handgrad.constants import RECURRENT_NODES
from handgrad.models.call import LayerCall
from handgrad.models.parameters import Parameter, Parameters, linear_parameters
from handgrad.models.shared_calls import dropout_call, linear_call, numbered
from handgrad.models.words import WordModel


@dataclass(frozen=True)
class Recurrent(WordModel):
    """Sizes of a recurrent network."""

    n_embd: int = 64
    n_hidden: int = 64
    n_layer: int = 1
    truncate: int = 0
    """Characters after which gradients do not flow further back; 0 for the whole word."""
    dropout: float = 0.0
    """Share of each layer's states that is dropped before the next layer reads them."""

    gates: ClassVar[int]
    starts: ClassVar[tuple[str, ...]] = ("start",)
    name: ClassVar[str]
    least: ClassVar[Mapping[str, int]] = {"truncate": 0}

    def parameters(self) -> Parameters:
        """Return the embedding, each layer's start and weights, the output layer."""
        hidden, fan_in = self.n_hidden, self.n_embd
        parameters = {"C": Parameter((self.vocab_size, self.n_embd), 1.0)}
        for layer in range(1, self.n_layer + 1):
            parameters |= {f"{start}_{layer}": Parameter((1, hidden), 0.0) for start in self.starts}
            parameters |= linear_parameters(f"{layer}", fan_in + hidden, self.gates * hidden)
            fan_in = hidden
        return parameters | linear_parameters(f"{self.n_layer + 1}", hidden, self.vocab_size)

    def hidden_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to the logits."""
        calls = [LayerCall("embedding", ("inputs", "C"), ("emb",))]
        x = "emb"
        for layer in range(1, self.n_layer + 1):
            starts = tuple(f"{start}_{layer}" for start in self.starts)
            calls.append(
                LayerCall(
                    self.name,
                    (x, "offsets", *starts, f"W{layer}", f"b{layer}"),
                    numbered(RECURRENT_NODES, f"{layer}", f"h_{layer}"),
                    attributes={"truncate": self.truncate},
                )
            )
            x = f"h_{layer}"
            if self.dropout:
                calls.append(dropout_call(x, f"kept_{layer}", self.dropout, layer))
                x = f"kept_{layer}"
        return [*calls, linear_call(f"{self.n_layer + 1}", x, "logits")]


@dataclass(frozen=True)
class RNN(Recurrent):
    """h_t = tanh([x_t, h_(t-1)] W + b). Elman 1990; Mikolov et al. 2010."""

    name = "rnn"
    gates = 1


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent units. Cho et al. 2014, arXiv:1406.1078, in makemore.py's form."""

    name = "gru"
    gates = 3


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory. Hochreiter, Schmidhuber 1997; gates as in torch: i, f, g, o."""

    name = "lstm"
    gates = 4
    starts = ("start", "cstart")
