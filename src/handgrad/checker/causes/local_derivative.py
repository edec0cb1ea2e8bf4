"""The local derivative is missing, or is another function's.

What: the gradient that comes back is there, what it must be multiplied by is not, or is wrong.

Why: a gradient is the local derivative times what comes back: for h = tanh(x) that is 1 - h**2, for
y = a * b it is the other factor.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = dh

Right:

    dhpreact = (1 - h**2) * dh
"""

import torch
from torch import Tensor

from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import CLOSE, Part, Suspect
from handgrad.checker.recording.trace import Bind

CODE = "HG109"
NAME = "local derivative"


def find(suspect: Suspect) -> Finding | None:
    """Divide what was made by what comes back: in every scene it must be the same quotient."""
    for part in suspect.parts:
        upstream = _upstream(suspect, part)
        if upstream is None or (len(suspect.parts) > 1 and suspect.grade.blamed.missing):
            continue
        change = [suspect.added(i) for i in range(len(suspect.views))]
        if all(_same(c, _fitted(u, c)) for c, u in zip(change, upstream, strict=True)):
            return Finding(
                f"The local derivative is missing: this is {part.hand} alone, "
                f"as if {part.consumer} were {suspect.node.name} itself."
            )
        made, right = (
            _quotient(suspect, upstream, view) for view in (change, _rights(suspect, part))
        )
        if made is not None and right is not None:
            return Finding(
                f"The local derivative is wrong: what {part.hand} is multiplied by here "
                f"is not how {part.consumer} changes with {suspect.node.name}."
            )
    return None


def _upstream(suspect: Suspect, part: Part) -> list[Tensor] | None:
    """Return the gradient of the consumer in each scene."""
    forward, shared = suspect.forward, suspect.backward
    node = next((b for b in forward.nodes() if b.name == part.consumer and b.kind != "param"), None)
    if part.hand is None or not isinstance(node, Bind) or node.index not in forward.truth:
        return None
    drawn = shared.random.get(id(node.value))
    found = [forward.truth[node.index], drawn]
    views = len(suspect.views)
    return [f for f in found[:views] if f is not None] if found[views - 1] is not None else None


def _rights(suspect: Suspect, part: Part) -> list[Tensor]:
    return list(part.values[: len(suspect.views)])


def _fitted(upstream: Tensor, made: Tensor) -> Tensor:
    """Return what comes back, summed or spread to the shape of what was made."""
    if upstream.shape == made.shape or upstream.dim() != made.dim():
        return upstream
    dims = [
        i for i, (a, b) in enumerate(zip(upstream.shape, made.shape, strict=True)) if b == 1 != a
    ]
    fitted = upstream.sum(dims, keepdim=True) if dims else upstream
    try:
        return fitted.expand_as(made)
    except RuntimeError:
        return upstream


def _quotient(suspect: Suspect, upstream: list[Tensor], made: list[Tensor]) -> Tensor | None:
    """Return made / upstream if it is the same in two scenes: elementwise, and linear."""
    if len(made) < 2 or any(m.shape != u.shape for m, u in zip(made, upstream, strict=True)):
        return None
    one, two = (m / u for m, u in zip(made, upstream, strict=True))
    known = one.isfinite() & two.isfinite() & (upstream[0].abs() > 1e-3 * upstream[0].abs().max())
    return one if bool(known.any()) and _same(one[known], two[known]) else None


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    scale = a.abs() + b.abs()
    return bool(((a - b).abs() <= CLOSE * (scale + scale.mean())).all()) and bool(torch.any(a != 0))
