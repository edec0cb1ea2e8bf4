"""STEPS: common forward lines with their correct backward lines, for chains of any length.

A step takes the node x (n, H), adds its lines to a Draft, and returns the next node, again (n, H)
with some H. Values stay near 1, so that long chains stay finite in bfloat16 too.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

Parts = list[tuple[str, str]]
"""Contributions: the input's name, with an index if only a part gets it, and an expression."""


@dataclass(frozen=True)
class Node:
    """A named tensor of the forward pass, (n, width)."""

    name: str
    width: int


@dataclass
class Draft:
    """A program under construction."""

    rng: random.Random
    setup: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    undo: list[tuple[str, Parts]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    count: int = 0

    def name(self, stem: str) -> str:
        """Return a new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def line(self, out: str, expression: str, *parts: tuple[str, str]) -> str:
        """Add `out = expression` and contributions to its inputs; in them `D` stands for d`out`."""
        self.forward.append(f"{out} = {expression}")
        self.undo.append((out, [(name, part.replace("D", f"d{out}")) for name, part in parts]))
        return out

    def parameter(self, stem: str, *shape: int | str, around: float = 0.0) -> str:
        """Add a leaf without equal elements."""
        name, spread = self.name(stem), (0.3 if around else f"{shape[0]} ** -0.5")
        drawn = f"torch.randn(({', '.join(map(str, shape))},), generator=g) * {spread} + {around}"
        self.setup.append(f"{name} = ({drawn}).to(dtype).requires_grad_()")
        return name

    def constant(self, stem: str, expression: str) -> str:
        """Add a tensor that needs no gradient."""
        name = self.name(stem)
        self.setup.append(f"{name} = {expression}")
        return name

    def older(self, width: int | None = None) -> Node:
        """Return a random earlier node, of the given width if any. The last node always fits."""
        fitting = [node for node in self.nodes if width in (None, node.width)]
        return self.rng.choice(fitting)


Step = Callable[[Draft, Node], Node]


def linear(d: Draft, x: Node) -> Node:
    """x @ W + b."""
    wide = d.rng.randint(2, 12)
    W, b = d.parameter("W", x.width, wide), d.parameter("b", wide)
    parts = ((x.name, f"D @ {W}.T"), (W, f"{x.name}.T @ D"), (b, "D.sum(0)"))
    return Node(d.line(d.name("lin"), f"{x.name} @ {W} + {b}", *parts), wide)


def einsum(d: Draft, x: Node) -> Node:
    """x @ W, written as einsum."""
    wide = d.rng.randint(2, 12)
    W = d.parameter("W", x.width, wide)
    parts = (
        (x.name, f"torch.einsum('bh,ch->bc', D, {W})"),
        (W, f"torch.einsum('bc,bh->ch', {x.name}, D)"),
    )
    return Node(d.line(d.name("ein"), f"torch.einsum('bc,ch->bh', {x.name}, {W})", *parts), wide)


def batchnorm(d: Draft, x: Node) -> Node:
    """The notebooks' batchnorm, with gain and bias."""
    gain, bias = d.parameter("gain", 1, x.width, around=1.0), d.parameter("bias", 1, x.width)
    i = x.name
    mean = d.line(
        d.name("bnmean"),
        f"1 / n * {i}.sum(0, keepdim=True)",
        (i, f"1 / n * torch.ones_like({i}) * D"),
    )
    diff = d.line(
        d.name("bndiff"), f"{i} - {mean}", (mean, "-D.sum(0, keepdim=True)"), (i, "D.clone()")
    )
    square = d.line(d.name("bnsq"), f"{diff}**2", (diff, f"2 * {diff} * D"))
    var = d.line(
        d.name("bnvar"),
        f"1 / (n - 1) * {square}.sum(0, keepdim=True)",
        (square, f"1 / (n - 1) * torch.ones_like({square}) * D"),
    )
    inv = d.line(
        d.name("bninv"), f"({var} + 1e-5) ** -0.5", (var, f"-0.5 * ({var} + 1e-5) ** -1.5 * D")
    )
    raw = d.line(
        d.name("bnraw"),
        f"{diff} * {inv}",
        (inv, f"({diff} * D).sum(0, keepdim=True)"),
        (diff, f"{inv} * D"),
    )
    parts = (
        (gain, f"({raw} * D).sum(0, keepdim=True)"),
        (bias, "D.sum(0, keepdim=True)"),
        (raw, f"{gain} * D"),
    )
    return Node(d.line(d.name("bnout"), f"{gain} * {raw} + {bias}", *parts), x.width)


def standardised(d: Draft, x: Node) -> Node:
    """Batchnorm by mean() and var()."""
    i = x.name
    mean = d.line(d.name("mean"), f"{i}.mean(0, keepdim=True)", (i, f"D.expand_as({i}) / n"))
    var = d.line(
        d.name("var"), f"{i}.var(0, keepdim=True)", (i, f"2 * ({i} - {i}.mean(0)) * D / (n - 1)")
    )
    std = d.name("std")
    d.line(std, f"({var} + 0.1).sqrt()", (var, f"D / (2 * {std})"))
    name = d.name("normed")
    parts = (
        (i, f"D / {std}"),
        (mean, f"-(D / {std}).sum(0, keepdim=True)"),
        (std, f"-({name} * D / {std}).sum(0, keepdim=True)"),
    )
    return Node(d.line(name, f"({i} - {mean}) / {std}", *parts), x.width)


def layernorm(d: Draft, x: Node) -> Node:
    """Layernorm over each row, as in PyTorch, with gain and bias."""
    gain, bias = d.parameter("gain", x.width, around=1.0), d.parameter("bias", x.width)
    i = x.name
    mean = d.line(
        d.name("lnmean"), f"{i}.mean(1)", (i, f"(D / {x.width}).unsqueeze(1).expand_as({i})")
    )
    diff = d.line(d.name("lndiff"), f"{i} - {mean}[:, None]", (i, "D.clone()"), (mean, "-D.sum(1)"))
    var = d.line(
        d.name("lnvar"),
        f"({diff} * {diff}).mean(1, keepdim=True)",
        (diff, f"2 * {diff} * D / {x.width}"),
    )
    rstd = d.line(
        d.name("rstd"), f"torch.rsqrt({var} + 0.1)", (var, f"-0.5 * ({var} + 0.1) ** -1.5 * D")
    )
    parts = (
        (diff, f"D * {gain} * {rstd}"),
        (bias, "D.sum(0)"),
        (rstd, f"(D * {gain} * {diff}).sum(1, keepdim=True)"),
        (gain, f"(D * {diff} * {rstd}).sum(0)"),
    )
    return Node(d.line(d.name("lnout"), f"{diff} * {rstd} * {gain} + {bias}", *parts), x.width)


def rmsnorm(d: Draft, x: Node) -> Node:
    """RMS norm over each row."""
    i = x.name
    ms = d.line(
        d.name("ms"), f"({i}**2).mean(-1, keepdim=True) + 0.1", (i, f"2 * {i} / {x.width} * D")
    )
    root = d.line(d.name("rms"), f"{ms}.sqrt()", (ms, f"0.5 * D / {ms}.sqrt()"))
    parts = ((i, f"D / {root}"), (root, f"-(D * {i} / {root}**2).sum(-1, keepdim=True)"))
    return Node(d.line(d.name("rn"), f"{i} / {root}", *parts), x.width)


ELEMENTWISE = {
    "tanh": ("torch.tanh(x)", "(1 - y**2) * D"),
    "sig": ("torch.sigmoid(x)", "y * (1 - y) * D"),
    "relu": ("x.relu()", "(y > 0) * D"),
    "leaky": ("F.leaky_relu(x, 0.1)", "torch.where(x > 0, D, 0.1 * D)"),
    "exp": ("(-(x**2)).exp()", "-2 * x * y * D"),
    "log": ("(x**2 + 1).log()", "2 * x / (x**2 + 1) * D"),
    "soft": ("F.softplus(x)", "torch.sigmoid(x) * D"),
    "silu": ("x * torch.sigmoid(x)", "(torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))) * D"),
    "abs": ("x.abs()", "x.sign() * D"),
    "clip": ("x.clamp(-1, 1)", "D * ((x >= -1) & (x <= 1))"),
    "cube": ("0.1 * x**3", "0.3 * x**2 * D"),
    "recip": ("1 / (1 + x * x)", "-2 * x * y**2 * D"),
    "sin": ("torch.sin(x)", "torch.cos(x) * D"),
}
"""Name -> forward expression of x, and the gradient of x where y is the result."""


def elementwise(d: Draft, x: Node) -> Node:
    """Apply a random function of ELEMENTWISE."""
    return function(d.rng.choice(sorted(ELEMENTWISE)))(d, x)


def function(stem: str) -> Step:
    """Return the step that is ELEMENTWISE[stem]."""
    forward, backward = ELEMENTWISE[stem]

    def step(d: Draft, x: Node) -> Node:
        name = d.name(stem)
        part = _filled(backward, x=x.name, y=name)
        return Node(d.line(name, _filled(forward, x=x.name), (x.name, part)), x.width)

    return step


def softmax(d: Draft, x: Node) -> Node:
    """Softmax in the lecture's steps, with the maximum subtracted."""
    i = x.name
    top = d.line(
        d.name("maxes"),
        f"{i}.max(1, keepdim=True).values",
        (i, f"F.one_hot({i}.max(1).indices, {x.width}) * D"),
    )
    norm = d.line(
        d.name("norm"), f"{i} - {top}", (i, "D.clone()"), (top, "-D.sum(1, keepdim=True)")
    )
    counts = d.name("counts")
    d.line(counts, f"{norm}.exp()", (norm, f"{counts} * D"))
    total = d.line(
        d.name("total"),
        f"{counts}.sum(1, keepdim=True)",
        (counts, f"torch.ones_like({counts}) * D"),
    )
    inv = d.line(d.name("inv"), f"{total}**-1", (total, f"-({total}**-2) * D"))
    parts = ((counts, f"{inv} * D"), (inv, f"({counts} * D).sum(1, keepdim=True)"))
    return Node(d.line(d.name("probs"), f"{counts} * {inv}", *parts), x.width)


def log_softmax(d: Draft, x: Node) -> Node:
    """Softmax in one function."""
    name = d.name("logp")
    part = (x.name, f"D - {name}.exp() * D.sum(1, keepdim=True)")
    return Node(d.line(name, f"F.log_softmax({x.name}, dim=1)", part), x.width)


def _filled(text: str, **names: str) -> str:
    """Replace the letters that stand alone by names."""
    return re.sub(r"\b[xy]\b", lambda m: names[m[0]], text)
