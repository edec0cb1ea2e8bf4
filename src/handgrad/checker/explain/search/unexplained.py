"""The message where no cause holds: how the result relates to the correct gradient."""

import torch
from torch import Tensor

from handgrad.checker.closeness import CONSTANTS, close
from handgrad.checker.explain.search.edits import number
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect


def unexplained(suspect: Suspect) -> Finding:
    """Return the finding without a cause."""
    made, right = suspect.made, suspect.right
    if made.shape != right.shape:
        got, expected = (tuple(value.shape) for value in (made, right))
        sentences = [f"This line gives shape {got}; {suspect.node.name} has shape {expected}."]
    else:
        sentences = [f"No known cause matches. {_ratio(made, right, suspect.noise)}"]
    return Finding(" ".join([*sentences, *_due(suspect)]))


def _ratio(made: Tensor, right: Tensor, noise: Tensor) -> str:
    """Describe the ratio of the two: constant, per row, per column, or where it is wrong."""
    known = right.abs() > 1e3 * noise
    off = (made - right).abs() > 1e3 * noise
    share = float(off.double().mean()) if off.numel() else 0.0
    ratio = torch.where(known, made / right, torch.nan)
    at = _furthest(made, right)
    if not bool(known.any()):
        return f"It is not 0 where 0 is correct, most of all at {at}."
    beside = bool((off & ~known).any())  # not 0 where 0 is right: no ratio says that
    if not beside and _spread(ratio) < CONSTANTS:
        constant = float(ratio[ratio.isfinite()][0])
        return f"It is {number(constant)} times the correct value everywhere."
    for dim, name in ((-1, "row"), (-2, "column")) if ratio.dim() > 1 else ():
        if not beside and int(known.sum(dim).max()) > 1 and _spread_along(ratio, dim) < CONSTANTS:
            return (
                f"The ratio to the correct value is constant within each {name} but not across "
                "them."
            )
    where = "everywhere" if share > 0.95 else f"in {share:.0%} of the elements"
    got, expected = float(made[tuple(at)]), float(right[tuple(at)])
    return f"It is wrong {where}, most at {at}: {got:.4g}, expected {expected:.4g}."


def _due(suspect: Suspect) -> list[str]:
    """Describe the expected contributions to the element with the largest error."""
    parts = [part for part in suspect.parts if part.values]
    if suspect.made.shape != suspect.right.shape or not parts:
        return []
    if not close(torch.stack([part.values[0] for part in parts]).sum(0), suspect.right):
        return []  # not all of them are known
    at = _furthest(suspect.made, suspect.right)
    sums: dict[str, float] = {}  # a loop computes one consumer again and again
    for part in parts:
        sums[part.consumer] = sums.get(part.consumer, 0.0) + float(part.values[0][tuple(at)])
    sent = [f"{value:.4g} from {consumer}" for consumer, value in sums.items()]
    place = f" at {at}" if at else ""
    return [f"Expected{place}: {' and '.join(sent)}."]


def _furthest(made: Tensor, right: Tensor) -> list[int]:
    far = (made - right).abs().nan_to_num(nan=torch.inf)
    if not far.numel():
        return []
    return [int(i) for i in torch.unravel_index(far.argmax(), right.shape)]


def _spread(ratio: Tensor) -> float:
    known = ratio[ratio.isfinite()]
    if known.numel() < 2 or known.numel() < int((~ratio.isnan()).sum()):
        return 0.0 if ratio.numel() == 1 and known.numel() else torch.inf
    return float((known.max() - known.min()) / known.abs().max())


def _spread_along(ratio: Tensor, dim: int) -> float:
    low = ratio.nan_to_num(nan=torch.inf).amin(dim)
    high = ratio.nan_to_num(nan=-torch.inf).amax(dim)
    known = low <= high
    far = (high - low).abs() / torch.maximum(high.abs(), low.abs())
    return float(far[known].nan_to_num(nan=torch.inf).max()) if bool(known.any()) else torch.inf
