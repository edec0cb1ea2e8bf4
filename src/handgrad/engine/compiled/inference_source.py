"""The model in evaluation mode as text: losses, logits, and the statistics of calibration.

Batchnorm is by given statistics, one product and sum: no row depends on its neighbours.
"""

from collections.abc import Iterator

from handgrad.engine.compiled.names import TEAM, Bound, bind, kernel_names
from handgrad.engine.compiled.source import wrapped
from handgrad.models import Model

ROWS = 64
"""Rows computed together: their activations stay in the caches."""
CALL = (*TEAM, "inputs", "targets", "until", "mean", "square", "scores")
"""What differs from call to call."""
PARTS = ("inputs_part", "targets_part")

_HEAD = '''"""{model} in evaluation mode: written by handgrad."""

from handgrad.kernels import {kernels}
from handgrad.kernels.batch import put, take
from handgrad.kernels.jit import cached


@cached
{signature}
    """The sum of the losses of `inputs` (N, T) and `targets` (N,), nats, a few rows at a time.

    `scores` (N, V) is given the logits, unless it is (0, V). Where `until` names a batchnorm, from
    0 on, `mean` and `square` (1, H) are given the moments of its input, and the sum is 0.
    """
    total = 0.0
    for first in range(0, len(inputs), len(targets_part)):
        count = min(len(targets_part), len(inputs) - first)
        take(inputs, targets, first, count, inputs_part, targets_part)
'''
_TAIL = """\
        if len(scores):
            put(logits, count, scores, first)
{add_losses}
    return total
"""


def inference_source(model: Model) -> str:
    """Python for `model` in evaluation mode."""
    bound = bind(model, ROWS)
    head = _HEAD.format(
        model=model.name,
        kernels=", ".join(sorted(kernel_names(bound))),
        signature=wrapped("def inference(", inference_names(model), "):"),
    )
    arguments = ["logits", "targets_part", "count", *_scratch(bound)]
    add_losses = wrapped("        total += softmax_cross_entropy.loss_sum(", arguments, ")")
    tail = _TAIL.format(add_losses=add_losses)
    return head + "\n".join([*_lines(bound), tail])


def inference_names(model: Model) -> list[str]:
    """What `inference` takes, in its order."""
    bound = bind(model, ROWS)
    folded = [name for one in bound if one.call.state for name in fold_names(one)]
    return [*CALL, *PARTS, *model.shapes(), *folded, *(name for name, _ in inference_memory(bound))]


def fold_names(one: Bound) -> tuple[str, str]:
    """The names of a batchnorm's scale and shift."""
    return one.names["scale"], one.names["shift"]


def inference_memory(bound: tuple[Bound, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every output but the loss, of what forwards need besides, and of scratch."""
    for one in bound:
        plain = not one.call.state and one.call.layer != "join" and one is not bound[-1]
        taken = one.arguments("forward") if plain else []
        wanted = {one.call.output, *taken, *_scratch(bound)}
        yield from ((name, shape) for name, shape in one.shapes.items() if name in wanted)


def _scratch(bound: tuple[Bound, ...]) -> list[str]:
    return [bound[-1].names[local] for local in ("turned", "of_rows")]


def _lines(bound: tuple[Bound, ...]) -> Iterator[str]:
    renamed = {"inputs": "inputs_part"}
    norms = 0
    for one in bound[:-1]:  # the last is the loss
        layer, call = one.call.layer, one.call
        if call.state:
            x = call.inputs[0]
            yield f"        if until == {norms}:"
            yield f"            batchnorm.moments({x}, count, first, mean, square)"
            yield "            continue"
            arguments = [x, *fold_names(one), call.output]
            yield wrapped(f"        {layer}.forward_evaluation(", arguments, ")")
            norms += 1
        elif layer != "join":
            arguments = [renamed.get(name, name) for name in one.arguments("forward")]
            yield wrapped(f"        {layer}.forward(", arguments, ")")
