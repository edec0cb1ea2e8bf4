"""Time evaluation and sampling after training, by handgrad and by the lecture's notebooks.

Trains the lecture's model briefly and calibrates it. Both sides must agree before they are timed.
"""

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers import ours
from benchmarks.peers.timing import in_turn, ratio_quartiles
from benchmarks.peers.work import EPS, Arrays, Cell, Peer, Work, WrongPeer, prepare
from handgrad.data import SPLITS, Dataset
from handgrad.engine import to_tensors
from handgrad.sample import Sampling, sample
from handgrad.training.evaluate import EvaluationData, calibrated, split_loss

OURS, LECTURE = "handgrad, compiled", "lecture, eager"
STEPS = 2048
"""Enough for words as long as names: those of a new model are three times as long."""
WORDS = 512
AGREE = 1e-5
"""Nats between two means of a hundred thousand float32 losses: each is off by less than 1e-6."""


@dataclass(frozen=True)
class Trained:
    """A trained model and the data that both sides use."""

    work: Work
    params: Arrays
    state: Arrays

    @property
    def dataset(self) -> Dataset:
        return self.work.dataset


@dataclass(frozen=True)
class Compared:
    """The times of two ways to do the same, and their ratios within a round."""

    what: str
    unit: str
    a_second: dict[str, float]
    times_faster: float
    low: float
    """First and third quartile of the ratios."""
    high: float
    rounds: int


def compare(
    dataset: Dataset, seconds: float, clock: tuple[str, Callable[[], float]], write: Path | None
) -> str:
    """Time both tasks for `seconds` each. Raises WrongPeer if the sides do not agree."""
    name, now = clock
    trained = train(dataset, Cell(), STEPS)
    rows = [
        evaluation(trained, seconds, now),
        sampling(trained, WORDS, seconds, now),
    ]
    if write:
        content = {"clock": name, "rows": [asdict(row) for row in rows]}
        write.write_text(json.dumps(content, indent=2) + "\n")
    return "\n".join(_lines(name, rows))


def train(dataset: Dataset, cell: Cell, steps: int) -> Trained:
    """The lecture's model after `steps` steps of the compiled engine."""
    work = prepare(dataset, cell, steps)
    peer = ours.compiled(work, steps)
    peer.run(0)
    values = peer.values()
    params, state = ({name: values[name] for name in kind} for kind in (work.params, work.state))
    data = EvaluationData(dataset, work.model, dataset.vocabulary)
    return Trained(work, params, calibrated(work.model, params, state, data))


def evaluation(trained: Trained, seconds: float, now: Callable[[], float]) -> Compared:
    """The loss of train, val and test, over all of their examples."""
    both = {LECTURE: lectures_losses(trained), OURS: our_losses(trained)}
    check_losses(*(losses() for losses in both.values()))
    examples = sum(trained.dataset.n_examples(split) for split in SPLITS)
    return _timed("all splits' losses", "examples", examples, both, seconds, now)


def sampling(trained: Trained, n: int, seconds: float, now: Callable[[], float]) -> Compared:
    """`n` words."""
    both = {LECTURE: lectures_words(trained, n), OURS: our_words(trained, n)}
    check_words(*(words() for words in both.values()))
    return _timed(f"{n} words sampled", "words", n, both, seconds, now)


def our_losses(trained: Trained) -> Callable[[], list[float]]:
    """As in `handgrad evaluate`, which gathers contexts from the tokens when it needs them."""
    dataset, model = trained.dataset, trained.work.model
    data = EvaluationData(dataset, model, dataset.vocabulary)

    def losses() -> list[float]:
        found = [split_loss(model, trained.params, trained.state, data, split) for split in SPLITS]
        return [loss.nats for loss in found if loss]

    return losses


def lectures_losses(trained: Trained) -> Callable[[], list[float]]:
    """As in the notebooks: each split in one forward pass, on contexts built beforehand."""
    logits, dataset = _lectures_logits(trained), trained.dataset
    splits = []
    for split in SPLITS:
        positions = np.arange(*dataset.splits[split])
        arrays = dataset.contexts(positions, trained.work.model.block_size)
        splits.append(tuple(map(torch.from_numpy, arrays)))
    return lambda: [F.cross_entropy(logits(x), y).item() for x, y in splits]


def our_words(trained: Trained, n: int) -> Callable[[], list[str]]:
    """Different words at each call."""
    vocabulary, seeds = trained.dataset.vocabulary, iter(range(10**9))

    def words() -> list[str]:
        how = Sampling(seed=next(seeds))
        found = sample(trained.work.model, trained.params, trained.state, vocabulary, n, how)
        return [word.text for word in found]

    return words


def lectures_words(trained: Trained, n: int) -> Callable[[], list[str]]:
    """As in the notebooks: one word and one context at a time. Different words at each call."""
    logits, vocabulary = _lectures_logits(trained), trained.dataset.vocabulary
    block_size, generator = trained.work.model.block_size, torch.Generator().manual_seed(1)

    def word() -> str:
        out: list[int] = []
        context = [0] * block_size
        while True:
            probs = F.softmax(logits(torch.tensor([context])), dim=1)
            ix = int(torch.multinomial(probs, num_samples=1, generator=generator).item())
            context = [*context[1:], ix]
            if ix == 0:
                return "".join(vocabulary.symbols[i] for i in out)
            out.append(ix)

    return lambda: [word() for _ in range(n)]


def check_losses(theirs: list[float], ours: list[float]) -> None:
    """Raise WrongPeer if the losses of a split differ."""
    for split, one, other in zip(SPLITS, theirs, ours, strict=True):
        if not abs(one - other) <= AGREE:
            raise WrongPeer(f"the loss of {split} is {other:.7f}, the lecture has {one:.7f}")


def check_words(theirs: list[str], ours: list[str]) -> None:
    """Raise WrongPeer if the mean word lengths differ by more than chance explains (1 in 10**6)."""
    lengths = [np.array([len(word) for word in words]) for words in (theirs, ours)]
    one, other = (float(of_words.mean()) for of_words in lengths)
    spread = sum(float(of_words.var()) / len(of_words) for of_words in lengths) ** 0.5
    if not abs(one - other) <= 5 * spread:
        raise WrongPeer(f"words have {other:.2f} characters, the lecture's {one:.2f}")


def _lectures_logits(trained: Trained) -> Callable[[Tensor], Tensor]:
    """One hidden layer, batchnorm by the calibrated statistics."""
    p, state = to_tensors(trained.params), to_tensors(trained.state)
    bnmean, bnvar = state["bnmean_calibrated"], state["bnvar_calibrated"]

    @torch.no_grad()
    def logits(x: Tensor) -> Tensor:
        hprebn = p["C"][x].view(x.shape[0], -1) @ p["W1"] + p["b1"]
        hpreact = p["bngain"] * (hprebn - bnmean) * (bnvar + EPS) ** -0.5 + p["bnbias"]
        return torch.tanh(hpreact) @ p["W2"] + p["b2"]

    return logits


def _timed(
    what: str,
    unit: str,
    count: int,
    both: Mapping[str, Callable[[], object]],
    seconds: float,
    now: Callable[[], float],
) -> Compared:
    peers = {name: _peer(call) for name, call in both.items()}
    times = in_turn(peers, count, 1, seconds, now)  # seconds per example, or per word
    low, middle, high = ratio_quartiles(times[LECTURE], times[OURS])
    a_second = {name: 1 / statistics.median(taken) for name, taken in times.items()}
    return Compared(what, unit, a_second, middle, low, high, len(times[OURS]))


def _peer(call: Callable[[], object]) -> Peer:
    """A call in place of a block of steps."""

    def run(first: int) -> float:
        call()
        return 0.0

    return Peer(run, dict)


def _lines(clock: str, rows: list[Compared]) -> list[str]:
    title = f"after training, one core, {clock}"
    lines = [f"{title:40s}{LECTURE:>20s}{OURS:>20s}  times faster, quartiles"]
    for row in rows:
        what = f"{row.what}, {row.unit} a second"
        rates = "".join(f"{row.a_second[name]:20,.0f}" for name in (LECTURE, OURS))
        quartiles = f"{row.times_faster:.2f}, {row.low:.2f} to {row.high:.2f}"
        lines.append(f"{what:40s}{rates}  {quartiles}")
    return lines
