"""The options of `handgrad train` that describe the model."""

from typing import Annotated

from handgrad.cli.options import choices, option

MODEL_NAMES = (
    "mlp",
    "bigram",
    "bow",
    "wavenet",
    "rnn",
    "lstm",
    "gru",
    "transformer",
    "microgpt",
)
"""The names in MODELS, for --help: the models import NumPy. A test compares them."""


ModelOption = Annotated[
    str | None,
    option(
        "--model",
        "--type",
        help=f"{choices('Model', MODEL_NAMES)} docs/models.md lists their sizes.",
        default="mlp",
    ),
]
PresetOption = Annotated[
    str | None,
    option(
        "--preset",
        help="fast: a model and settings that reach a good loss in seconds. Other options win.",
    ),
]
BlockSizeOption = Annotated[
    int | None,
    option(
        "--block-size",
        help="Characters of context, or of a word that are read.",
        default="3 for mlp, 8 for wavenet, else the longest word and its boundary",
    ),
]
NEmbdOption = Annotated[
    int | None, option("--n-embd", help="Embedding size.", default="10 for mlp")
]
NHiddenOption = Annotated[
    int | None,
    option("--n-hidden", "--n-embd2", help="Width of the hidden layers.", default="200 for mlp"),
]
NLayerOption = Annotated[
    int | None, option("--n-layer", help="Number of hidden layers or blocks.", default="1 for mlp")
]
NHeadOption = Annotated[int | None, option("--n-head", help="Heads of attention.", default=4)]
TruncateOption = Annotated[
    int | None,
    option(
        "--truncate",
        help="Characters after which a recurrent network's gradients stop; 0: none.",
        default=0,
    ),
]
BatchnormOption = Annotated[
    bool | None,
    option(
        "--batchnorm/--no-batchnorm", help="Batch normalisation in hidden layers.", default="on"
    ),
]
HiddenBiasOption = Annotated[
    bool | None,
    option("--hidden-bias/--no-hidden-bias", help="Biases in hidden layers.", default="on"),
]
BlankOption = Annotated[
    bool | None,
    option(
        "--blank/--no-blank",
        help="A symbol of its own for what is before a word, as in makemore.py; for mlp.",
        default="off",
    ),
]
DropoutOption = Annotated[
    float | None,
    option(
        "--dropout",
        help="Share dropped of what each block adds, or of a recurrent layer's states.",
        default=0.0,
    ),
]
TiedOption = Annotated[
    bool | None,
    option(
        "--tied/--no-tied",
        help="The output layer of a transformer is its embedding, transposed.",
        default="off",
    ),
]
InitOption = Annotated[
    str | None,
    option(
        "--init",
        help="Initialisation of the parameters, see docs/train.md.",
        default="batchnorm for mlp, else normal",
    ),
]
