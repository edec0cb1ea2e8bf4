"""Transformers: makemore.py's, which is GPT-2's, and microgpt.

    inputs (N,) - embedding, position - x (N, E)
    n_layer times:  x += attention(norm(x))    x += mlp(norm(x))
    logits (N, V)

Vaswani et al. 2017, arXiv:1706.03762; Radford et al.: Language Models are Unsupervised Multitask
Learners, 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from handgrad.constants import (
    ATTENTION_NODES,
    GELU_NODES,
    LAYERNORM_NODES,
    POSITION_EMBEDDING_NODES,
    RMSNORM_NODES,
)
from handgrad.errors import SettingsError
from handgrad.models.call import LayerCall
from handgrad.models.parameters import Parameter, Parameters, linear_parameters
from handgrad.models.shared_calls import dropout_call, linear_call, numbered
from handgrad.models.words import WordModel

WIDER = 4
"""Width of the hidden layer of a block in multiples of n_embd."""


@dataclass(frozen=True)
class _Blocks(WordModel):
    """What both have in common: embeddings, blocks of attention and hidden layer, logits."""

    n_embd: int = 64
    n_head: int = 4
    n_layer: int = 4
    dropout: float = 0.0
    """Share of what each block adds that is dropped."""

    biased: ClassVar[bool]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise SettingsError(
                f"n_embd must be a multiple of n_head, got {self.n_embd} and {self.n_head}"
            )

    def weights(self, name: str, fan_in: int, fan_out: int) -> Parameters:
        """Return the parameters of one linear layer."""
        return linear_parameters(name, fan_in, fan_out, bias=self.biased)

    def norm_parameters(self, name: str) -> Parameters:
        """Return the parameters of one normalisation."""
        return {}

    def norm(self, name: str, x: str) -> LayerCall:
        """Return the normalisation of `x`, whose output is `name`."""
        raise NotImplementedError

    def nonlinearity(self, layer: int) -> LayerCall:
        """Return the call from hpreact to h."""
        raise NotImplementedError

    def block_parameters(self, layer: int) -> Parameters:
        """Return the parameters of one block, in the order of its calls."""
        n_embd = self.n_embd
        return {
            **self.norm_parameters(f"norm1_{layer}"),
            **self.weights(f"qkv_{layer}", n_embd, 3 * n_embd),
            **self.weights(f"o_{layer}", n_embd, n_embd),
            **self.norm_parameters(f"norm2_{layer}"),
            **self.weights(f"1_{layer}", n_embd, WIDER * n_embd),
            **self.weights(f"2_{layer}", WIDER * n_embd, n_embd),
        }

    def block(self, layer: int, x: str) -> list[LayerCall]:
        """Return the calls of one block, from `x` to x2_layer."""
        qkv = tuple(f"{name}_{layer}" for name in "qkv")
        return [
            self.norm(f"norm1_{layer}", x),
            linear_call(f"qkv_{layer}", f"norm1_{layer}", f"qkv_{layer}", bias=self.biased),
            LayerCall("split", (f"qkv_{layer}",), qkv, n_outputs=3),
            LayerCall(
                "attention",
                (*qkv, "offsets"),
                numbered(ATTENTION_NODES, f"{layer}", f"att_{layer}"),
                attributes={"heads": self.n_head},
            ),
            linear_call(f"o_{layer}", f"att_{layer}", f"proj_{layer}", bias=self.biased),
            *self.added(x, f"proj_{layer}", f"x1_{layer}", 2 * layer),
            self.norm(f"norm2_{layer}", f"x1_{layer}"),
            linear_call(f"1_{layer}", f"norm2_{layer}", f"hpreact_{layer}", bias=self.biased),
            self.nonlinearity(layer),
            linear_call(f"2_{layer}", f"h_{layer}", f"mlp_{layer}", bias=self.biased),
            *self.added(f"x1_{layer}", f"mlp_{layer}", f"x2_{layer}", 2 * layer + 1),
        ]

    def added(self, x: str, y: str, output: str, number: int) -> list[LayerCall]:
        """Return the calls for x + y, with a share of y dropped if the model has dropout."""
        if not self.dropout:
            return [LayerCall("add", (x, y), (output,))]
        kept = f"kept_{y}"
        dropped = dropout_call(y, kept, self.dropout, number)
        return [dropped, LayerCall("add", (x, kept), (output,))]

    def embedding_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to x."""
        return [
            LayerCall("embedding", ("inputs", "C"), ("emb",)),
            LayerCall(
                "position_embedding",
                ("emb", "offsets", "P"),
                (*POSITION_EMBEDDING_NODES[:-1], "x"),
            ),
        ]


@dataclass(frozen=True)
class Transformer(_Blocks):
    """makemore.py's: LayerNorm, GELU in its tanh form, biases but in the output layer."""

    tied: bool = False
    """The output layer's weights are the embedding, transposed (Press, Wolf 2017)."""

    name = "transformer"
    biased = True

    def norm_parameters(self, name: str) -> Parameters:
        """Return gain and bias."""
        return {
            f"gain_{name}": Parameter((self.n_embd,), 0.0, 1.0),
            f"bias_{name}": Parameter((self.n_embd,), 0.0),
        }

    def norm(self, name: str, x: str) -> LayerCall:
        """Return a LayerNorm."""
        inputs = (x, f"gain_{name}", f"bias_{name}")
        return LayerCall("layernorm", inputs, numbered(LAYERNORM_NODES, name, name))

    def nonlinearity(self, layer: int) -> LayerCall:
        """Return a GELU in its tanh form."""
        nodes = numbered(GELU_NODES, f"{layer}", f"h_{layer}")
        return LayerCall("gelu", (f"hpreact_{layer}",), nodes, attributes={"exact": False})

    def parameters(self) -> Parameters:
        """Return the parameters in draw order."""
        parameters = {
            "C": Parameter((self.vocab_size, self.n_embd), 1.0),
            "P": Parameter((self.block_size, self.n_embd), 1.0),
        }
        for layer in range(1, self.n_layer + 1):
            parameters |= self.block_parameters(layer)
        parameters |= self.norm_parameters("norm")
        if self.tied:
            return parameters
        return parameters | linear_parameters("out", self.n_embd, self.vocab_size, bias=False)

    def hidden_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to the logits."""
        calls, x = self.embedding_calls(), "x"
        for layer in range(1, self.n_layer + 1):
            calls += self.block(layer, x)
            x = f"x2_{layer}"
        tied = LayerCall("tied_linear", ("norm", "C"), ("logits",))
        out = tied if self.tied else linear_call("out", "norm", "logits", bias=False)
        return [*calls, self.norm("norm", x), out]


@dataclass(frozen=True)
class MicroGPT(_Blocks):
    """microgpt's: RMSNorm without a gain, also after the embedding; ReLU; no biases."""

    n_embd: int = 16
    n_head: int = 4
    n_layer: int = 1

    name = "microgpt"
    biased = False
    settings: ClassVar[Mapping[str, Any]] = {
        "optimizer": "adam",
        "lr": 0.01,
        "beta1": 0.85,
        "beta2": 0.99,
        "schedule": "linear",
    }
    std: ClassVar[float] = 0.08

    def weights(self, name: str, fan_in: int, fan_out: int) -> Parameters:
        """Return a matrix with microgpt's start."""
        return linear_parameters(name, fan_in, fan_out, bias=False, std=self.std)

    def norm(self, name: str, x: str) -> LayerCall:
        """Return an RMSNorm without a gain."""
        return LayerCall("rmsnorm", (x,), numbered(RMSNORM_NODES, name, name))

    def nonlinearity(self, layer: int) -> LayerCall:
        """Return a ReLU."""
        return LayerCall("relu", (f"hpreact_{layer}",), (f"h_{layer}",))

    def parameters(self) -> Parameters:
        """Return the parameters in draw order."""
        parameters = {
            "C": Parameter((self.vocab_size, self.n_embd), self.std),
            "P": Parameter((self.block_size, self.n_embd), self.std),
        }
        for layer in range(1, self.n_layer + 1):
            parameters |= self.block_parameters(layer)
        return parameters | self.weights("out", self.n_embd, self.vocab_size)

    def hidden_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to the logits."""
        calls, x = [*self.embedding_calls(), self.norm("norm0", "x")], "norm0"
        for layer in range(1, self.n_layer + 1):
            calls += self.block(layer, x)
            x = f"x2_{layer}"
        return [*calls, linear_call("out", x, "logits", bias=False)]
