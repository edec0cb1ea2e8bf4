"""The work that every peer gets, and the float64 step that verifies it before it is timed.

B batch size, T block_size, N examples in the train split, S steps in the pool of batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from handgrad.data import Batches, Dataset
from handgrad.engine import to_tensors
from handgrad.models import MLP

Arrays = dict[str, np.ndarray]
Tensors = dict[str, Tensor]
LR = 0.1
SEED = 1
"""The seed of the batches."""
EPS = 1e-5
"""Batchnorm's epsilon, as in the lecture's exercise."""


class Absent(Exception):
    """This peer cannot run here; the message says why."""


class WrongPeer(Exception):
    """This peer does not compute the step, so its time would mean nothing."""


@dataclass(frozen=True)
class Cell:
    """Sizes of one comparison; the lecture's by default."""

    n_hidden: int = 200
    batch_size: int = 32
    n_layer: int = 1

    @property
    def title(self) -> str:
        return f"n_hidden {self.n_hidden}, batch {self.batch_size}, depth {self.n_layer}"


@dataclass(frozen=True, eq=False)
class Work:
    """One model, its start, and the batches that all peers train on."""

    cell: Cell
    model: MLP
    dataset: Dataset
    params: Arrays
    """float32; a peer copies them."""
    state: Arrays
    inputs: np.ndarray
    """int64 (N, T): all contexts of the train split, as the notebooks hold them."""
    targets: np.ndarray
    """int64 (N,)"""
    rows: np.ndarray
    """int64 (S, B): step s trains on the examples `rows[s % S]`."""
    device: str = "cpu"
    """The device on which torch's peers keep the data."""

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """(inputs, targets, rows) on the device."""
        held = (self.inputs, self.targets, self.rows)
        inputs, targets, rows = (torch.from_numpy(array).to(self.device) for array in held)
        return inputs, targets, rows

    def start(self) -> tuple[Tensors, Tensors]:
        """(params, state) on the device, copies."""
        params, state = (to_tensors(of, device=self.device) for of in (self.params, self.state))
        return params, state

    @property
    def flops(self) -> int:
        """The operations of one step's matrix products: forward, and twice as many backward."""
        weights = [shape for name, shape in self.model.shapes().items() if name.startswith("W")]
        return sum(3 * 2 * self.cell.batch_size * rows * columns for rows, columns in weights)


@dataclass(frozen=True)
class Peer:
    """A peer, ready to run. A step is everything that the loop does: gather, gradients, update,
    running statistics."""

    run: Callable[[int], float]
    """run(first): run a block of steps on the batches from `first` on and return the last loss."""
    values: Callable[[], Arrays]
    """Return the current parameters and batchnorm's running means, by the model's names."""


Build = Callable[[Work, int], Peer]
"""(work, steps a call) -> peer. Raises Absent."""


def arrays(tensors: Tensors) -> Arrays:
    """Return copies in CPU memory."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def prepare(dataset: Dataset, cell: Cell, pool: int, device: str = "cpu") -> Work:
    """The lecture's model at the cell's sizes and a pool of `pool` batches."""
    model = MLP(dataset.vocabulary.size, n_hidden=cell.n_hidden, n_layer=cell.n_layer)
    start, end = dataset.splits["train"]
    inputs, targets = dataset.contexts(np.arange(start, end), model.block_size)
    batches = Batches(dataset, "train", cell.batch_size, model.block_size, SEED)
    rows = (batches.positions(0, pool) - start).reshape(pool, cell.batch_size)
    params, state = model.initialise("exercise")  # nothing is 0, so that no mistake is hidden
    return Work(cell, model, dataset, params, state, inputs, targets, rows, device)


def suffixes(model: MLP) -> list[str]:
    """Return the suffixes of the names of each hidden layer's batchnorm."""
    return [name.removeprefix("bngain") for name in model.shapes() if name.startswith("bngain")]


def forward(p: Tensors, model: MLP, x: Tensor, y: Tensor) -> tuple[Tensor, list[Any]]:
    """Return the loss, as the lecture computes it, and each layer's batch statistics."""
    h = p["C"][x].view(x.shape[0], -1)
    statistics = []
    for layer, suffix in enumerate(suffixes(model), 1):
        hprebn = h @ p[f"W{layer}"] + p[f"b{layer}"]
        bnmean, bnvar = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)
        bnraw = (hprebn - bnmean) * (bnvar + EPS) ** -0.5
        h = torch.tanh(p[f"bngain{suffix}"] * bnraw + p[f"bnbias{suffix}"])
        statistics.append((suffix, bnmean, bnvar))
    last = model.n_layer + 1
    return F.cross_entropy(h @ p[f"W{last}"] + p[f"b{last}"], y), statistics


@dataclass(frozen=True)
class Truth:
    """The result of float64 autograd after `steps` steps from the start."""

    steps: int
    loss: float
    values: Arrays


def reference_steps(work: Work, steps: int) -> Truth:
    """Train by float64 autograd on the first `steps` batches."""
    p = to_tensors(work.params, torch.float64)
    state = to_tensors(work.state, torch.float64)
    inputs, targets = torch.from_numpy(work.inputs), torch.from_numpy(work.targets)
    loss = torch.tensor(0.0)
    for step in range(steps):
        ix = torch.from_numpy(work.rows[step % len(work.rows)])
        leaves = {name: value.requires_grad_() for name, value in p.items()}
        loss, statistics = forward(leaves, work.model, inputs[ix], targets[ix])
        grads = torch.autograd.grad(loss, list(leaves.values()))
        moved = zip(leaves.items(), grads, strict=True)
        p = {name: value.detach() - LR * grad for (name, value), grad in moved}
        for suffix, bnmean, _ in statistics:
            name = f"bnmean_running{suffix}"
            state[name] = torch.lerp(state[name], bnmean.detach(), work.model.momentum)
    means = {name: value for name, value in state.items() if name.startswith("bnmean")}
    return Truth(steps, loss.item(), {n: value.numpy() for n, value in {**p, **means}.items()})


STORED = 4 * float(np.finfo(np.float32).eps)
"""Relative tolerance of a value, which is rounded when it is updated and when it is stored."""


def tolerance(steps: int) -> float:
    """Tolerance relative to the largest change in a tensor.

    A float32 sum of n products, in any order, is off by about sqrt(n) * 6e-8 of their size, so by
    1e-5 at n = 2048 and through seven layers; later steps start from that. A wrong formula, a batch
    skipped or done twice is off by 1e-2 and more.
    """
    return 1e-4 if steps == 1 else 1e-3


def complaint(work: Work, truth: Truth, loss: float, values: Arrays) -> str | None:
    """Return what is wrong with a peer after `truth.steps` steps, or None."""
    bound = tolerance(truth.steps)
    if not abs(loss - truth.loss) <= bound * truth.loss:
        return f"loss {loss:.7f}, float64 autograd has {truth.loss:.7f}"
    start = work.params | work.state
    moved = {name: np.abs(value - start[name]).max() for name, value in truth.values.items()}
    for name, expected in truth.values.items():
        if name not in values:
            return f"{name} is missing"
        # the gradient of a bias before batchnorm cancels to 0: use the size of its weight's
        hidden = name.startswith("b") and name[1:].isdecimal()
        may = bound * moved[f"W{name[1:]}" if hidden else name] + STORED * np.abs(expected)
        off = np.abs(values[name].astype(np.float64).reshape(expected.shape) - expected) / may
        if not off.max() <= 1:
            return f"{name} is off by {off.max():.3g} times what rounding explains"
    return None


def verified(work: Work, build: Build, truth: Truth) -> Peer:
    """Return the peer after its first call, if it agrees with float64 autograd.

    Raises WrongPeer and Absent.
    """
    peer = build(work, truth.steps)
    wrong = complaint(work, truth, peer.run(0), peer.values())
    if wrong:
        raise WrongPeer(wrong)
    return peer
