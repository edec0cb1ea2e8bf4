"""The two models without hidden state: the bigram table, and the bag of words."""

from dataclasses import dataclass

from handgrad.constants import CAUSAL_MEAN_NODES, POSITION_EMBEDDING_NODES
from handgrad.models.call import LayerCall
from handgrad.models.parameters import Parameter, Parameters, linear_parameters
from handgrad.models.shared_calls import linear_call, numbered
from handgrad.models.words import WordModel


@dataclass(frozen=True)
class Bigram(WordModel):
    """A row of logits for each character: it sees one character of context.

    inputs (N,) - embedding - logits (N, V)
    """

    name = "bigram"

    def parameters(self) -> Parameters:
        """Return the table C, which starts at zero."""
        return {"C": Parameter((self.vocab_size, self.vocab_size), 0.0)}

    def hidden_calls(self) -> list[LayerCall]:
        """Return the lookup."""
        return [LayerCall("embedding", ("inputs", "C"), ("logits",))]


@dataclass(frozen=True)
class BagOfWords(WordModel):
    """The mean of the embeddings so far, and a hidden layer, each added to the embedding.

    inputs (N,) - embedding, position - x (N, E) - causal_mean, added - linear, tanh, linear, added
    - linear - logits (N, V). As in makemore.py.
    """

    n_embd: int = 64
    n_hidden: int = 64

    name = "bow"

    def parameters(self) -> Parameters:
        """Return embeddings, the hidden layer, the output layer."""
        embd, hidden = self.n_embd, self.n_hidden
        return {
            "C": Parameter((self.vocab_size, embd), 1.0),
            "P": Parameter((self.block_size, embd), 1.0),
            **linear_parameters("1", embd, hidden),
            **linear_parameters("2", hidden, embd),
            **linear_parameters("3", embd, self.vocab_size),
        }

    def hidden_calls(self) -> list[LayerCall]:
        """Return the calls from the batch to the logits."""
        positions = (*POSITION_EMBEDDING_NODES[:-1], "x")
        return [
            LayerCall("embedding", ("inputs", "C"), ("emb",)),
            LayerCall("position_embedding", ("emb", "offsets", "P"), positions),
            LayerCall("causal_mean", ("x", "offsets"), numbered(CAUSAL_MEAN_NODES, "bow", "bow")),
            LayerCall("add", ("x", "bow"), ("x_1",)),
            linear_call("1", "x_1", "hpreact"),
            LayerCall("tanh", ("hpreact",), ("h",)),
            linear_call("2", "h", "mlp"),
            LayerCall("add", ("x_1", "mlp"), ("x_2",)),
            linear_call("3", "x_2", "logits"),
        ]
