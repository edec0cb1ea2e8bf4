"""A contribution is missing: a tensor used in several places gets one from each of them.

What: the gradient of a tensor is the sum of the contributions of all its consumers. Here one of
them is absent, or nothing was ever added to the initial zeros.

Why: `=` instead of `+=` replaces the previous value, or the second `+=` was never written.

Wrong:

    # bndiff goes into bndiff2 and into bnraw
    dbndiff = bnvar_inv * dbnraw

Right:

    dbndiff = bnvar_inv * dbnraw
    dbndiff += 2 * bndiff * dbndiff2
"""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from torch import Tensor

from handgrad.checker.explain.search.counts import count_named, factors
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import terms
from handgrad.checker.explain.search.grammar.edit import edited
from handgrad.checker.explain.search.scene import ConsumerShare
from handgrad.checker.explain.search.shares import consumer_node, is_off_by
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.written import addition, part_named
from handgrad.checker.record.trace import Bind

CODE = "HG101"
NAME = "missing branch"
ORDER = 210
MANY = 8
"""With more consumers than this (a loop over time), only single ones and all but one are tried."""
JOINED = ((terms.with_name, "The sum lacks {was}."),)
FEW = 4
"""Number of names in the consumer's line that are tried as a factor of the upstream gradient."""


def find(suspect: Suspect) -> Finding | None:
    """Compare the result with the correct gradient minus one or more contributions."""
    if suspect.through:
        return edited(suspect, JOINED)
    if _is_zeros(suspect):
        return _unfilled(suspect)
    lost = _lost(suspect)
    if not lost:
        return None
    order = {b.name: b.index for b in reversed(suspect.forward.nodes())}
    lost = tuple(sorted(lost, key=lambda part: order.get(part.consumer, 0)))
    names = " and ".join(part.consumer for part in lost)
    message, text = f"{suspect.hand.name} lacks the contribution through {names}", suspect.text
    if text is not None and isinstance(text.tree, ast.Assign):
        fix = f"{text.segment(text.tree.targets[0])} += {text.segment(text.tree.value)}"
        if suspect.corrects(fix) or suspect.corrects(f"{_earlier(suspect)}\n{fix}"):
            return Finding(f"{message}: `=` replaces the previous value, `+=` adds to it.", fix)
    if len(lost) > 1:
        return Finding(f"{message}.")
    found = addition(suspect, f"{message}.", _lines(suspect, lost[0]), lost[0].hand)
    joined = _joined(suspect) if found.fix is None else None
    return found if joined is None else Finding(f"{message}.", joined)


def joined(suspect: Suspect) -> Finding | None:
    """Add each tensor of the same shape: what an iteration before left."""
    return edited(suspect, JOINED)


def _joined(suspect: Suspect) -> str | None:
    """Return the statement plus the name that holds the missing contribution, such as dhnext.

    Its value is that of the run: it is no node's gradient, so other scenes do not compute it again.
    """
    text = suspect.text
    if text is None or text.value is None:
        return None
    value = part_named(text, suspect.hand.name) or text.value
    for name in suspect.scope:
        other = suspect.tensor(name) if name != suspect.hand.name else None
        if other is None or other.shape != suspect.made.shape:
            continue
        if suspect.is_right(suspect.made + other):
            return text.replace(value, f"{text.segment(value)} + {name}")
    return None


def _earlier(suspect: Suspect) -> str:
    """Return the earlier statement that assigned the gradient, which this one replaces."""
    name, end = suspect.hand.name, suspect.forward.end
    made = [b for b in suspect.forward.trace.of(Bind) if b.name == name and b.index > end
            and b.index < suspect.hand.binds[0].index and not b.alias]  # fmt: skip
    return made[-1].statement.text if made else ""


def _lost(suspect: Suspect) -> tuple[ConsumerShare, ...]:
    """Return the fewest contributions that, if missing, explain the result."""
    parts = suspect.parts
    sizes = range(1, len(parts)) if len(parts) <= MANY else (1, len(parts) - 1)
    for size in sizes:
        for lost in combinations(parts, size):
            if is_off_by(suspect, [], lost):
                return lost
    return ()


def _lines(suspect: Suspect, part: ConsumerShare) -> Iterator[str]:
    """Yield lines that may add the contribution of one consumer."""
    gradient, back = suspect.hand.name, part.hand
    if back is None:
        return
    others = _beside(suspect, part)
    values = [back, f"-{back}", *(f"{w} * {back}" for w in others)]
    for w in others:
        values += [f"{back} @ {w}.T", f"{w}.T @ {back}", f"{back}.T @ {w}", f"{w} @ {back}.T"]
    yield from (f"{gradient} += {value}" for value in values)
    for dim in range(suspect.right.dim()):
        for value in values:
            whole = value if value == back else f"({value})"
            yield f"{gradient} += {whole}.sum({dim}, keepdim=True)"
    if suspect.right.dim() == 1:
        yield f"{gradient} += {back}.sum(0)"
    yield f"{gradient} += {back}.view({suspect.node.name}.shape)"


def _beside(suspect: Suspect, part: ConsumerShare) -> Sequence[str]:
    """Return the other tensors that the consumer is computed from."""
    node = consumer_node(suspect, part)
    words = re.findall(r"\w+", node.statement.text) if node is not None else []
    known = [w for w in dict.fromkeys(words) if suspect.tensor(w) is not None]
    return [w for w in known if w not in (part.consumer, suspect.node.name)][:FEW]


def _is_zeros(suspect: Suspect) -> bool:
    """Tell whether the gradient keeps the value of `zeros_like`."""
    value = suspect.text.value if suspect.text is not None else None
    zeros = isinstance(value, ast.Call) and "zeros" in ast.unparse(value.func)
    return zeros and not suspect.rest and not suspect.made.any()


def _unfilled(suspect: Suspect) -> Finding:
    part = suspect.parts[0] if len(suspect.parts) == 1 else None
    message = (
        f"{suspect.hand.name} keeps these zeros: the line that adds the contribution through "
        f"{' and '.join(p.consumer for p in suspect.parts) or 'the forward pass'} is missing."
    )
    reads = part.hand if part is not None else None
    return addition(suspect, message, _fillings(suspect, reads), reads)


def _fillings(suspect: Suspect, back: str | None) -> Iterator[str]:
    """Yield lines that may fill the zeros: rows that are looked up, classes that are picked."""
    gradient, right = suspect.hand.name, suspect.right
    for name, index in suspect.scope.indices().items():
        if back is not None:
            yield f"{gradient}.index_put_(({name},), {back}, accumulate=True)"
        elif right.dim() == 2 and index.shape == right.shape[:1] and _fits(index, right):
            value = float(right[0, index[0]])
            for template, _ in factors(suspect, abs(value)):
                sign = "-" if value < 0 else ""
                rows = f"range({count_named(suspect, len(index))})"
                yield f"{gradient}[{rows}, {name}] = {sign}{template.format('1')}"
    if back is not None:
        yield f"{gradient} += {back}"


def _fits(index: Tensor, right: Tensor) -> bool:
    return len(index) > 0 and bool(((index >= 0) & (index < right.shape[1])).all())
