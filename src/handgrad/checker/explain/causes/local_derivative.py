"""The local derivative is missing, or belongs to another function.

What: the upstream gradient is there, but its factor, the local derivative, is missing or wrong, in
the line as a whole or in one part of it. A mask that compares the gradient instead of the forward
value is such a factor.

Why: a gradient is the local derivative times the upstream gradient. For h = tanh(x) the local
derivative is 1 - h**2; for y = a * b it is the other factor.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = dh

Right:

    dhpreact = (1 - h**2) * dh
"""

import ast

from torch import Tensor

from handgrad.checker.closeness import same_numbers
from handgrad.checker.explain.search.derivatives import (
    DERIVATIVES,
    Derivative,
    derivative_of,
    function_of,
)
from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.grammar import factors, slopes
from handgrad.checker.explain.search.grammar.edit import corrected, edited
from handgrad.checker.explain.search.grammar.factors import reads_name, sloped, upside_down
from handgrad.checker.explain.search.indices import indexed
from handgrad.checker.explain.search.powers import powers
from handgrad.checker.explain.search.scene import ConsumerShare
from handgrad.checker.explain.search.shares import (
    agreed,
    forward_line,
    forward_ops,
    gave,
    is_upstream_alone,
    op_name,
    upstream,
)
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Op

CODE = "HG109"
NAME = "local derivative"
ORDER = 400
EDITS = (
    (slopes.mask_of_forward, "The mask compares {was}; it must compare {now}, a forward value."),
    (slopes.other_slope, "{was} is used where the local derivative belongs: {now}."),
    (factors.product_for_sum, "{was} adds where the chain rule multiplies: {now}."),
    (slopes.with_slope, "The local derivative is missing: {was} must be multiplied by {now}."),
)


def find(suspect: Suspect) -> Finding | None:
    """Divide the result by the upstream gradient: all scenes must give the same quotient."""
    for part in suspect.parts:
        above = upstream(suspect, part)
        derivative = known(suspect, part)
        if not above or (len(suspect.parts) > 1 and suspect.grade.blamed.missing):
            continue
        if is_upstream_alone(suspect, part):
            return Finding(_missing(suspect, part, derivative), _fix(suspect, part, derivative))
        views = range(len(suspect.views))
        made = agreed([(gave(suspect, i), above[i]) for i in views if i < len(above)])
        right = agreed([(part.values[i], above[i]) for i in views if i < len(part.values)])
        if made is not None and right is not None:
            return Finding(_wrong(suspect, part, derivative, made), _fix(suspect, part, derivative))
    return _of_node(suspect) or edited(suspect, EDITS)


def _of_node(suspect: Suspect) -> Finding | None:
    """Find the derivative of the function that made the node: a factor of its input's gradient."""
    y = suspect.node.value
    for op in suspect.forward.events if suspect.made.shape == y.shape else ():
        if type(op) is not Op or not any(t is y for t in op.outputs):
            continue
        for x in op.inputs:
            inner, outer = x.detach().double(), y.detach().double()
            row = derivative_of(inner, outer, op_name(op))
            if row is None or not same_numbers(suspect.made, row.local(inner, outer)):
                continue
            source = next((b.name for b in suspect.forward.nodes() if b.value is x), "its input")
            return Finding(
                f"This is the derivative of `{suspect.node.statement.text}`, a factor of the "
                f"gradient of {source}; the gradient of {suspect.node.name} is what comes from "
                f"{' and '.join(part.consumer for part in suspect.parts) or 'the loss'}."
            )
    return None


def _missing(suspect: Suspect, part: ConsumerShare, derivative: Derivative | None) -> str:
    line, (node, consumer) = forward_line(suspect, part.consumer), _names(suspect, part)
    message = (
        f"The local derivative is missing: this is {part.hand} alone, as if {consumer} were "
        f"{node} itself."
    )
    if derivative is not None:
        slope = _slope(derivative, node, consumer)
        return f"{message} The derivative of `{line or derivative.name}` is {slope}."
    power = _power(suspect, part)
    if power is not None:
        return f"{message} The derivative of `{line}` is {power}."
    return message if line is None else f"{message} The forward pass has `{line}`."


def _wrong(
    suspect: Suspect,
    part: ConsumerShare,
    derivative: Derivative | None,
    made: tuple[Tensor, Tensor],
) -> str:
    line, (node, consumer) = forward_line(suspect, part.consumer), _names(suspect, part)
    where = f"in `{line}`" if line else f"of {consumer} by {node}"
    if derivative is None:
        return (
            f"The local derivative is wrong: {part.hand} is not multiplied by the derivative of "
            f"{consumer} with respect to {node}{f' {where}' if line else ''}."
        )
    message = f"The derivative {where} is {_slope(derivative, node, consumer)}"
    what = _recognised(suspect, part, derivative, made)
    if what is None:
        return f"{message}; {part.hand} is multiplied by something else."
    return f"{message}; this line has {what}."


def _power(suspect: Suspect, part: ConsumerShare) -> str | None:
    """Return the derivative of the power in the forward line, spelled as that line is."""
    line, node = forward_line(suspect, part.consumer), suspect.node.name
    if line is None or suspect.text is None:
        return None
    text = Text.parsed(line, suspect.text.modules)
    for power in powers(text) if text is not None else ():
        exponent, inner = power.value, power.text.value
        if power.exponent is not None:
            exponent = suspect.value(ast.unparse(power.exponent))
        if isinstance(exponent, int | float) and inner is power.node and reads_name(inner, node):
            return power.slope(float(exponent))
    return None


def _slope(derivative: Derivative, x: str, y: str) -> str:
    text = derivative.text.format(x=x, y=y)
    return text if len(text) <= 60 else f"that of {derivative.name}"


def _names(suspect: Suspect, part: ConsumerShare) -> tuple[str, str]:
    """Return what the node and its consumer are called where the statement stands."""
    return indexed(suspect, suspect.node.name), indexed(suspect, part.consumer)


def known(suspect: Suspect, part: ConsumerShare) -> Derivative | None:
    """Return the derivative if the consumer is one elementwise function of the node."""
    consumer = suspect.names.get(part.consumer)
    if consumer is None:
        return None
    for op in forward_ops(suspect):
        direct = any(t is suspect.node.value for t in op.inputs)
        if direct and any(t is consumer.value for t in op.outputs):
            x, y = suspect.node.value.detach().double(), consumer.value.detach().double()
            return derivative_of(x, y, op_name(op))
    power = _power(suspect, part)  # written as the forward pass has it
    return function_of(suspect.node.value, consumer.value) if power is None else None


def _recognised(
    suspect: Suspect, part: ConsumerShare, derivative: Derivative, made: tuple[Tensor, Tensor]
) -> str | None:
    """Return what the line multiplies by instead, if it is recognised."""
    x, y = suspect.tensor(suspect.node.name), suspect.tensor(part.consumer)
    got, at = made
    if x is None or y is None or x.shape != got.shape or y.shape != got.shape:
        return None
    node, consumer = _names(suspect, part)
    for text, value in ((f"the output {consumer}", y), (f"the input {node}", x)):
        if _is(got, value, at):
            return f"{text} itself"
    slope = derivative.text.format(x=consumer, y=node)
    crossed = derivative.local(y, x)
    if _is(got, crossed, at):
        if "{y}" in derivative.text:
            return f"{slope}, the input {node} for the output {consumer}"
        return f"{slope}, the output {consumer} for the input {node}"
    for row in DERIVATIVES:
        if row is not derivative:
            for value, whose in ((x, node), (y, consumer)):
                if _is(got, row.local(value, row.function(value)), at):
                    return f"the derivative of {row.name} at {whose}"
    return None


def _is(got: Tensor, value: Tensor, at: Tensor) -> bool:
    return bool(value[at].isfinite().all()) and same_numbers(got[at], value[at])


def _fix(suspect: Suspect, part: ConsumerShare, derivative: Derivative | None) -> str | None:
    if suspect.text is None or part.hand is None:
        return None
    slope = _power(suspect, part)
    if slope is None and derivative is not None:
        x, y = _names(suspect, part)
        slope = derivative.text.format(x=x, y=y)
    sides = corrected(suspect, upside_down)
    if slope is None or sides is not None:
        return sides
    value = suspect.text.value
    alone = [] if value is None else [suspect.text.replace(value, slope)]  # t = 1 - h**2
    return suspect.first([*sloped(suspect.text, part.hand, slope), *alone])
