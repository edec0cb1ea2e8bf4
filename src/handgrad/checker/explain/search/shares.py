"""How the gradient that a statement computes relates to the correct one, in every scene."""

import ast
from collections.abc import Sequence
from contextlib import suppress

from torch import Tensor

from handgrad.checker.closeness import same_constant, same_numbers
from handgrad.checker.explain.search.scene import ConsumerShare
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Bind, Op


def shares(suspect: Suspect) -> list[tuple[Tensor, Tensor]]:
    """Return, in each scene, the contribution of the statement and the correct contribution.

    Empty if the shapes differ.
    """
    found = []
    for i, view in enumerate(suspect.views):
        made, right, contribution = suspect.makes(i), view.right, suspect.added(i)
        if made.shape != right.shape:
            return []
        alone = view.before is None or contribution.shape != made.shape
        found.append((made, right) if alone else (contribution, right - (made - contribution)))
    return found


def constant(suspect: Suspect) -> float | None:
    """Return the constant factor by which the contribution is wrong in every scene, or None."""
    found: list[float] = []
    for view, (contribution, due) in enumerate(shares(suspect)):
        if view == 0 and bool((due.abs() <= suspect.noise).all()):
            continue  # any multiple of 0 is right
        contribution, due = contribution.double(), due.double()
        square = (due * due).sum()
        factor = float((contribution * due).sum() / square) if square else 0.0
        if factor == factor and abs(factor) not in (0.0, float("inf")):
            corrected = suspect.makes(view) - contribution + contribution / factor
            if suspect.is_right(corrected, view):
                found.append(factor)
                continue
        return None
    if not found or not all(same_constant(factor, found[-1]) for factor in found):
        return None
    return None if same_constant(found[-1], 1) else found[-1]


def is_off_by(
    suspect: Suspect, extra: Sequence[ConsumerShare], lost: Sequence[ConsumerShare]
) -> bool:
    """Tell whether, in every scene, it contains the `extra` once more and lacks the `lost`."""
    views = range(len(suspect.views))
    known = all(len(part.values) >= len(views) for part in (*extra, *lost))
    if not known or suspect.made.shape != suspect.right.shape:
        return False
    off = [sum(p.values[i] for p in lost) - sum(p.values[i] for p in extra) for i in views]
    return all(suspect.is_right(suspect.makes(i) + off[i], i) for i in views)


def agreed(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor] | None:
    """Return the elementwise quotient of the pairs, one for each scene, and where it is known.

    None if the scenes differ.
    """
    if len(pairs) < 2 or any(a.shape != b.shape or not a.numel() for a, b in pairs):
        return None
    if any(not a.is_floating_point() or not b.is_floating_point() for a, b in pairs):
        return None
    one, two = (a / b for a, b in pairs)
    known = one.isfinite() & two.isfinite()
    for _, below in pairs:
        known = known & (below.abs() > 1e-3 * below.abs().max())
    if not bool(known.any()) or not same_numbers(one[known], two[known]):
        return None
    return one, known


def gave(suspect: Suspect, view: int) -> Tensor:
    """Return the contribution of the statement, with the later ones if there is one consumer."""
    return suspect.makes(view) if len(suspect.parts) == 1 else suspect.added(view)


def upstream(suspect: Suspect, part: ConsumerShare) -> list[Tensor] | None:
    """Return the gradient of the consumer in each scene."""
    forward, views = suspect.forward, len(suspect.views)
    node = consumer_node(suspect, part)
    if part.hand is None or node is None or node.index not in forward.truth:
        return None
    found = [forward.truth[node.index], suspect.backward.random.get(id(node.value))][:views]
    return [f for f in found if f is not None] if len(found) == views else None


def consumer_node(suspect: Suspect, part: ConsumerShare) -> Bind | None:
    """Return the first node of the consumer's name; inside a function, the one it stands for."""
    if part.consumer in suspect.names:
        return suspect.names[part.consumer]
    nodes = (b for b in suspect.forward.nodes() if b.name == part.consumer and b.kind != "param")
    return next(nodes, None)


def ignores_upstream(suspect: Suspect) -> bool:
    """Tell whether the line reads no gradient although an upstream gradient is not 1."""
    if suspect.grade.reads or not suspect.parts:
        return False
    above = [found[0] for p in suspect.parts if p.hand and (found := upstream(suspect, p))]
    return any(bool((value != 1).any()) for value in above)


def is_upstream_alone(suspect: Suspect, part: ConsumerShare) -> bool:
    """Tell whether the result is the consumer's gradient alone, summed or expanded to its shape."""
    above = upstream(suspect, part)
    if not above or len(above) < len(suspect.views):
        return False
    change = [gave(suspect, i) for i in range(len(suspect.views))]
    return all(same_numbers(c, _fitted(u, c)) for c, u in zip(change, above, strict=True))


def _fitted(above: Tensor, made: Tensor) -> Tensor:
    """Return the upstream gradient, summed or expanded to the shape of the result."""
    if above.shape == made.shape or above.dim() != made.dim():
        return above
    sizes = list(enumerate(zip(above.shape, made.shape, strict=True)))
    if any(a != b and 1 not in (a, b) for _, (a, b) in sizes):
        return above
    dims = [i for i, (a, b) in sizes if b == 1 != a]
    return (above.sum(dims, keepdim=True) if dims else above).expand_as(made)


def forward_ops(suspect: Suspect) -> list[Op]:
    """Return the operations on this node and on the unnamed results computed from it."""
    made = {id(suspect.node.value)}
    named = {id(b.value) for b in suspect.forward.nodes()} - made
    found = []
    for event in suspect.forward.events:
        if type(event) is Op and any(id(t) in made for t in event.inputs):
            found.append(event)
            made |= {id(t) for t in event.outputs} - named
    return found


def op_name(op: Op) -> str:
    """Return the name of the function that an operation calls."""
    return str(getattr(op.func, "__name__", ""))


def forward_lines(suspect: Suspect) -> list[str]:
    """Return the statements that computed this node's consumers, if short enough to quote."""
    return [forward_line(suspect, part.consumer) or "" for part in suspect.parts]


def forward_line(suspect: Suspect, consumer: str) -> str | None:
    """Return the statement that computed a consumer, if short enough to quote."""
    bind = suspect.names.get(consumer)
    if bind is not None and bind.kind in (
        "result",
        "param",
    ):  # the line of the function that made it
        made = (b for b in suspect.forward.trace.of(Bind) if b.value is bind.value)
        bind = next((b for b in made if b.kind == "assign"), bind)
    return quotable(bind.statement.text) if bind is not None else None


def quotable(statement: str) -> str | None:
    """Return a statement on one line, however the user broke it, if it is short enough to quote."""
    if "\n" in statement:
        with suppress(SyntaxError):
            statement = ast.unparse(ast.parse(statement))
    return statement if statement and "\n" not in statement and len(statement) <= 80 else None
