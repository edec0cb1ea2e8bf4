"""The program in which faults are planted: a correct forward and backward pass, one step a line.

Data and parameters come from a seeded generator; no parameter is 0 or constant, since that would
hide mistakes. Letters: n batch, T block_size, E n_embd, H n_hidden, V vocab_size.
"""

import ast
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """The sizes of the program."""

    n: int
    block_size: int
    n_embd: int
    n_hidden: int
    vocab_size: int


PLAIN = Sizes(n=13, block_size=2, n_embd=5, n_hidden=9, vocab_size=7)
"""No two dimensions are equal, so a mistake that needs equal sizes raises."""
SQUARE = Sizes(n=12, block_size=3, n_embd=4, n_hidden=12, vocab_size=12)
"""Every matrix is square, so a wrong transpose or an elementwise product still runs."""

SETUP = """\
g = torch.Generator().manual_seed(seed)
C = torch.randn((vocab_size, n_embd), generator=g).to(dtype)
W1 = torch.randn((n_embd * block_size, n_hidden), generator=g).to(dtype) * n_hidden**-0.5
b1 = torch.randn(n_hidden, generator=g).to(dtype) * 0.1
W2 = torch.randn((n_hidden, vocab_size), generator=g).to(dtype) * 0.3
b2 = torch.randn(vocab_size, generator=g).to(dtype) * 0.1
bngain = torch.randn((1, n_hidden), generator=g).to(dtype) * 0.1 + 1.0
bnbias = torch.randn((1, n_hidden), generator=g).to(dtype) * 0.1
for p in [C, W1, b1, W2, b2, bngain, bnbias]:
    p.requires_grad = True
Xb = torch.randint(0, vocab_size, (n, block_size), generator=g)
Yb = torch.randint(0, vocab_size, (n,), generator=g)
"""

FORWARD = """\
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdim=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[torch.arange(n), Yb].mean()
"""

AUTOGRAD = """\
loss.backward()
"""

BACKWARD = """\
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[torch.arange(n), Yb] = -1.0 / n
dprobs = dlogprobs / probs
dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)
dcounts = counts_sum_inv * dprobs
dcounts_sum = -counts_sum**-2 * dcounts_sum_inv
dcounts += torch.ones_like(counts) * dcounts_sum
dnorm_logits = counts * dcounts
dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)
dlogits = dnorm_logits.clone()
dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
db2 = dlogits.sum(0)
dhpreact = (1.0 - h**2) * dh
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dbnraw = bngain * dhpreact
dbnbias = dhpreact.sum(0, keepdim=True)
dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)
dbndiff = bnvar_inv * dbnraw
dbnvar = -0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv
dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar
dbndiff += 2 * bndiff * dbndiff2
dbnmeani = (-dbndiff).sum(0, keepdim=True)
dhprebn = dbndiff.clone()
dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani
dembcat = dhprebn @ W1.T
dW1 = embcat.T @ dhprebn
db1 = dhprebn.sum(0)
demb = dembcat.view(emb.shape)
dC = torch.zeros_like(C)
dC.index_put_((Xb,), demb, accumulate=True)
"""

PARAMETERS = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")
SOURCE = SETUP + FORWARD + AUTOGRAD + BACKWARD
BEFORE = len((SETUP + FORWARD + AUTOGRAD).splitlines())
"""The number of lines of SOURCE before BACKWARD."""


def with_lines(changed: dict[int, str]) -> str:
    """Return SOURCE with the lines of these numbers (from 1) replaced. No line moves."""
    lines = SOURCE.splitlines()
    for number, text in changed.items():
        lines[number - 1] = text
    return "\n".join(lines) + "\n"


def target_of(node: ast.stmt) -> str:
    """Return the name that a line of BACKWARD sets or changes."""
    if isinstance(node, ast.Expr):
        assert isinstance(node.value, ast.Call), "an expression of BACKWARD is an in-place call"
        assert isinstance(node.value.func, ast.Attribute), "of a method"
        target = node.value.func.value
    else:
        assert isinstance(node, ast.Assign | ast.AugAssign), "all else in BACKWARD assigns"
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        target = target.value if isinstance(target, ast.Subscript) else target
    assert isinstance(target, ast.Name), "of a name"
    return target.id


def hand_names() -> list[str]:
    """Return the names of the 26 gradients, in the order of their last statement."""
    names = [target_of(node) for node in ast.parse(BACKWARD).body]
    return [name for i, name in enumerate(names) if name not in names[i + 1 :]]


def settings(sizes: Sizes, dtype: torch.dtype = torch.float32, seed: int = 1) -> dict[str, Any]:
    """Return the names that SOURCE starts with."""
    return {"torch": torch, "F": F, "dtype": dtype, "seed": seed, **asdict(sizes)}


def run(
    source: str, sizes: Sizes, dtype: torch.dtype = torch.float32, seed: int = 1
) -> dict[str, Any]:
    """Run a program and return its names."""
    names = settings(sizes, dtype, seed)
    exec(compile(source, "program.py", "exec"), names)
    return names


def gradients(
    source: str, sizes: Sizes, dtype: torch.dtype = torch.float64, seed: int = 1
) -> dict[str, Tensor]:
    """Return a program's 26 gradients, computed without autograd's."""
    names = run(source.replace(AUTOGRAD, "\n"), sizes, dtype, seed)
    return {name: names[name].detach() for name in hand_names()}
