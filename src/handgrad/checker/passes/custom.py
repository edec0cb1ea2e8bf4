"""The user's own torch.autograd.Functions in a forward pass.

Their forward runs without gradients. Where its operations were recorded, they are differentiated as
all others are; then the Function's own backward has to agree.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.passes.compare import judge
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record.call import Call, floats_in
from handgrad.checker.record.trace import Trace, key_of, needed

CONTEXT: type = torch.autograd.function.BackwardCFunction
UNSEEN = (
    "{} is a torch.autograd.Function, and autograd does not see its steps; write its two halves as "
    "functions for handgrad.check(forward, backward, inputs)"
)
DIFFERS = (
    "the backward() of {0}, a torch.autograd.Function, does not return the gradient of its "
    "forward(); check it alone: handgrad.check_function({0}.apply, inputs)"
)


def refuse_unseen(forward: ForwardPass) -> None:
    """Raise RuntimeError if a Function leads to the loss whose operations were not recorded."""
    for node in _functions(forward.outputs):
        calls = [c for c in forward.trace.calls if _is_forward(c, type(node))]
        if not calls or not all(_is_connected(forward.trace, c) for c in calls):
            raise RuntimeError(UNSEEN.format(_name(node)))


def refuse_disagreeing(
    forward: ForwardPass, truth: Mapping[int, Tensor], noise: Mapping[int, Tensor]
) -> None:
    """Raise RuntimeError if a Function leads to the loss, and autograd's gradients are not right.

    `truth` and `noise` are by the index of the node's Bind.
    """
    node = next(_functions(forward.outputs), None)
    if node is None or forward.backward is None:
        return
    for index, value in forward.backward.gradients.items():
        if index in noise and judge(value, None, truth[index], noise[index])[0] == "wrong":
            raise RuntimeError(DIFFERS.format(_name(node)))


def _functions(outputs: Sequence[Tensor]) -> Iterator[Any]:
    """Yield the nodes of autograd's graph that are Functions of the user's."""
    todo = [t.grad_fn for t in outputs if t.grad_fn is not None]
    visited = set(todo)
    while todo:
        node = todo.pop()
        if isinstance(node, CONTEXT):
            yield node
        inputs = {fn for fn, _ in node.next_functions if fn is not None} - visited
        visited |= inputs
        todo += inputs


def _name(node: Any) -> str:
    return type(node).__name__.removesuffix("Backward")


def _is_forward(call: Call, context: type) -> bool:
    """Tell whether a call is that of the Function's forward."""
    first = next(iter(call.arguments.values()), None)
    return type(first) is context and call.name == "forward" and call.end is not None


def _is_connected(trace: Trace, call: Call) -> bool:
    """Tell whether recorded operations lead from each input that needs a gradient to the result."""
    results = list(floats_in(call.result))
    ops = needed(trace.events[call.begin : call.end], results, set())
    read = {key_of(t) for op in ops for t in op.inputs}
    inputs = [t for v in call.arguments.values() for t in floats_in(v) if t.requires_grad]
    return bool(results) and all(key_of(t) in read for t in inputs)
