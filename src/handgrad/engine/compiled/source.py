"""The training step as text: a kernel a line, forwards, then backwards, then the updates.

`handgrad train --show-step` prints it. It depends on the model's layers and on the optimizer; sizes
come in with the arrays, so that one compilation serves them all.
"""

from collections.abc import Iterator
from itertools import chain

from handgrad.engine.compiled.names import BATCH, TEAM, Bound, bind, gradient_shapes, kernel_names
from handgrad.models import Model
from handgrad.train.optimizer import OPTIMIZERS

FIXED = (*TEAM, "tokens", "positions", "schedule", "numbers", "losses", "updates", "momentum")
WIDTH = 100

_HEAD = '''"""Steps of {model}, optimizer {optimizer}: written by handgrad."""

import math

from handgrad.kernels import {kernels}
from handgrad.kernels.batch import gather
from handgrad.kernels.jit import cached
from handgrad.kernels.optimizers import add, {optimizer}
from handgrad.kernels.team import wait


@cached
{signature}
    """Train on the examples at `positions` (S, B) of `tokens`; the steps done.

    `schedule` (S, 3) and `numbers` (4,) are the optimizer's, `losses` (S,) is written, in nats per
    character. Where `positions` is (S, 0), the batch is what stands in inputs and targets. Without
    `updates` gradients are computed and parameters left as they are. Stops after a step whose loss
    is not finite.
    """
    for step in range(len(losses)):
        if positions.shape[1]:
            gather(tokens, positions[step], inputs, targets, thread, team)
            wait(thread, team)
'''

_CHECK = """\
        if thread == 0:
            losses[step] = loss
        if not math.isfinite(loss):
            return step + 1
        if not updates:
            continue
"""
_WAIT = "        wait(thread, team)"


def step_source(model: Model, optimizer: str) -> str:
    """Python for the steps of `model`. Raises SettingsError as `bind` does."""
    bound = bind(model, 2)
    lines = chain(
        _forwards(bound), _backwards(bound), _CHECK.splitlines(), _updates(model, optimizer, bound)
    )
    head = _HEAD.format(
        model=model.name,
        optimizer=optimizer,
        kernels=", ".join(sorted(kernel_names(bound))),
        signature=wrapped("def steps(", argument_names(model, optimizer), "):"),
    )
    return head + "\n".join([*lines, "    return len(losses)", ""])


def argument_names(model: Model, optimizer: str) -> list[str]:
    """What `steps` takes, in its order."""
    bound = bind(model, 2)
    params = list(model.shapes())
    kept = [f"{moment}_{name}" for moment in OPTIMIZERS[optimizer].moments for name in params]
    memory = [name for one in bound for name in one.shapes]
    gradients = gradient_shapes(bound, model.shapes())
    return [*FIXED, *BATCH, *params, *model.state_shapes(), *kept, *memory, *gradients]


def _forwards(bound: tuple[Bound, ...]) -> Iterator[str]:
    for one in bound:
        layer, call = one.call.layer, one.call
        if layer == "join":
            yield f"        # {call.output} is {call.inputs[0]}, its rows side by side"
            continue
        yield wrapped(f"        {layer}.forward(", one.arguments("forward"), ")")
        yield _WAIT
        if call.output == "loss":
            yield f"        loss = {layer}.mean({one.names['per_row']})"


def _backwards(bound: tuple[Bound, ...]) -> Iterator[str]:
    for one in reversed(bound):
        if one.call.layer != "join":
            yield wrapped(f"        {one.call.layer}.backward(", one.arguments("backward"), ")")
            yield _WAIT
        for name in one.again:
            yield f"        add(d{name}, {one.part(name)}, thread, team)"
            yield _WAIT


def _updates(model: Model, optimizer: str, bound: tuple[Bound, ...]) -> Iterator[str]:
    for one in bound:
        for running, statistic in zip(one.call.state, ("bnmeani", "bnvar"), strict=False):
            arguments = [running, one.names[statistic], "momentum", *TEAM]
            yield wrapped(f"        {one.call.layer}.follow(", arguments, ")")
    for name in model.shapes():
        kept = [f"{moment}_{name}" for moment in OPTIMIZERS[optimizer].moments]
        arguments = [name, f"d{name}", *kept, "schedule[step]", "numbers", *TEAM]
        yield wrapped(f"        {optimizer}(", arguments, ")")
    yield _WAIT


def wrapped(opening: str, arguments: list[str], closing: str) -> str:
    """One line, or as many as it takes, indented as the formatter would have them."""
    line = f"{opening}{', '.join(arguments)}{closing}"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(opening) - len(opening.lstrip()))
    filled, lines = "", []
    for argument in arguments:
        if len(indent) + 4 + len(filled) + len(argument) + 2 > WIDTH:
            lines.append(filled)
            filled = ""
        filled += f"{argument}, "
    lines.append(filled)
    body = "\n".join(f"{indent}    {text.rstrip()}" for text in lines)
    return f"{opening}\n{body}\n{indent}{closing}"
