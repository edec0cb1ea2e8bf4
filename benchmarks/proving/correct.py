"""Random correct passes: forward graphs made of STEPS, with the backward lines of their templates.

The seed determines everything: steps, sizes (batch 2 to 4096), dtype, and a factor on the loss that
puts the largest gradient anywhere between 1e-12 and 1e6.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.proving.more_steps import STEPS
from benchmarks.proving.steps import Draft, Node, Parts

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Correct:
    """A correct program and its settings. Its forward pass starts after `begins` lines."""

    seed: int
    source: str
    begins: int
    n: int
    dtype: torch.dtype
    scale: float

    def names(self, dtype: torch.dtype | None = None) -> dict[str, Any]:
        """Return the names that the source starts with."""
        return {
            "torch": torch,
            "F": F,
            "n": self.n,
            "dtype": dtype or self.dtype,
            "scale": self.scale,
            "seed": self.seed,
        }


def correct(seed: int, steps: Sequence[str] | None = None) -> Correct:
    """Return the random correct pass number `seed`: two to seven of STEPS, or the given steps."""
    rng = random.Random(seed)
    n = round(2 ** rng.uniform(1, 12))
    dtype = DTYPES[rng.choice(sorted(DTYPES))]
    steps = rng.choices(sorted(STEPS), k=rng.randint(2, 7)) if steps is None else steps
    source, begins = _source(rng, steps)
    largest = 10 ** rng.uniform(-12, 6)
    names = Correct(seed, source, begins, n, torch.float64, 1.0).names()
    exec(compile(source, "correct.py", "exec"), names)
    own = [
        float(v.detach().abs().max())
        for k, v in names.items()
        if k.startswith("d") and k[1:] in names
    ]
    return Correct(seed, source, begins, n, dtype, largest / (max(own) or 1.0))


def gradient_names(source: str) -> list[str]:
    """Return the gradients of a program of `correct`, in the order of their first lines."""
    found = [
        line.split(" ")[0].split("[")[0]
        for line in source.split("loss.backward()\n")[1].splitlines()
    ]
    return list(dict.fromkeys(found))


def _source(rng: random.Random, steps: Sequence[str]) -> tuple[str, int]:
    """Return the source (setup, forward, loss.backward(), backward) and the length of its setup."""
    d = Draft(rng, ["g = torch.Generator().manual_seed(seed)"])
    x = _start(d)
    for step in steps:
        d.nodes.append(x)
        x = STEPS[step](d, x)
    _loss(d, x)
    lines = [*d.setup, *d.forward, "loss.backward()", *_backward(d)]
    return "\n".join(lines) + "\n", len(d.setup)


def _start(d: Draft) -> Node:
    """Start with an embedding, with data, or with a leaf that has a gradient of its own."""
    wide, how = d.rng.randint(2, 12), d.rng.choice(["embedding", "data", "leaf"])
    if how == "embedding":
        C = d.parameter("C", 7, wide, around=0.01)
        ix = d.constant("ix", "torch.randint(0, 7, (n, 2), generator=g)")
        emb = d.line(
            d.name("emb"),
            f"{C}[{ix}]",
            (C, f"torch.zeros_like({C}).index_put_(({ix},), D, accumulate=True)"),
        )
        flat = d.line(d.name("flat"), f"{emb}.view(n, -1)", (emb, f"D.view(n, 2, {wide})"))
        return Node(flat, 2 * wide)
    if how == "data":
        X = d.constant("X", f"torch.randn((n, {wide}), generator=g).to(dtype)")
        W = d.parameter("W", wide, wide)
        return Node(d.line(d.name("first"), f"{X} @ {W}", (W, f"{X}.T @ D")), wide)
    return Node(d.parameter("leaf", "n", wide, around=0.01), wide)


def _loss(d: Draft, x: Node) -> None:
    """End in a weighted sum, a mean square, or cross-entropy by index."""
    how = d.rng.choice(["weighted", "square", "index"])
    if how == "weighted":
        R = d.constant("R", f"torch.randn((n, {x.width}), generator=g).to(dtype)")
        line, part = f"({x.name} * {R}).sum() * scale", f"{R} * scale"
    elif how == "square":
        line, part = f"({x.name}**2).mean() * scale", f"2 * {x.name} / {x.name}.numel() * scale"
    else:
        Y = d.constant("Y", f"torch.randint(0, {x.width}, (n,), generator=g)")
        line = f"-{x.name}[torch.arange(n), {Y}].mean() * scale"
        part = f"-F.one_hot({Y}, {x.width}).to(dtype) / n * scale"
    d.line("loss", line, (x.name, part))


def _backward(d: Draft) -> list[str]:
    """Return the lines: a name's first line sets it, later ones add; an index adds to zeros."""
    lines: list[str] = []
    begun: set[str] = set()
    for out, parts in reversed(d.undo):
        if out == "loss" or out in begun:
            lines += _added(parts, begun)
    return lines


def _added(parts: Parts, begun: set[str]) -> list[str]:
    lines = []
    for target, expression in parts:
        name = target.split("[")[0]
        if "[" in target and name not in begun:
            lines.append(f"d{name} = torch.zeros_like({name})")
            begun.add(name)
        lines.append(f"d{target} {'+=' if name in begun else '='} {expression}")
        begun.add(name)
    return lines
