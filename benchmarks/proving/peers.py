"""The same programs through other tools. PEERS: name -> the gradients that the tool rejects.

Each tool is used as its users would. gradcheck runs in float64 on an autograd.Function whose
backward is the program's; it sees only the gradients of the parameters and stops at the first that
it rejects. assert_close and the notebooks' cmp run in the program's dtype on every pair after the
whole backward pass, in the order in which the gradients are finished.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.proving.correct import Correct, gradient_names
from benchmarks.proving.program import FORWARD, PARAMETERS, SETUP, Sizes, hand_names, settings

Failing = list[str]
"""The gradients that a tool rejects, in its order; "" if it does not say which."""


@dataclass(frozen=True)
class Subject:
    """A program in three parts, and what the tools need to know about it."""

    setup: str
    forward: str
    backward: str
    leaves: tuple[str, ...]
    hands: tuple[str, ...]
    names: Callable[[torch.dtype | None], dict[str, Any]]
    """The names that the setup starts with, in the given dtype or in the program's own."""


def planted(source: str, sizes: Sizes) -> Subject:
    """Return program.py's program, with or without faults, for the other tools."""
    backward = source.removeprefix(SETUP + FORWARD).split("\n", 1)[1]

    def names(dtype: torch.dtype | None) -> dict[str, Any]:
        return settings(sizes, dtype or torch.float32)

    return Subject(SETUP, FORWARD, backward, PARAMETERS, tuple(hand_names()), names)


def random_pass(given: Correct) -> Subject:
    """Return a correct pass for the other tools."""
    before, backward = given.source.split("loss.backward()\n")
    lines = before.splitlines()
    setup, forward = "\n".join(lines[: given.begins]), "\n".join(lines[given.begins :])
    leaves = tuple(s.split(" ")[0] for s in lines[: given.begins] if "requires_grad_" in s)
    hands = tuple(gradient_names(given.source))
    return Subject(setup, forward, backward, leaves, hands, given.names)


def gradcheck(subject: Subject, fast: bool) -> Failing:
    """Return what torch.autograd.gradcheck rejects with its defaults."""
    start = subject.names(torch.float64)
    exec(subject.setup, start)
    forward_code = compile(subject.forward, "forward.py", "exec")
    backward_code = compile(subject.backward, "backward.py", "exec")

    class Program(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *leaves: Tensor) -> Tensor:
            ctx.names = {**start, **dict(zip(subject.leaves, leaves, strict=True))}
            exec(forward_code, ctx.names)
            loss: Tensor = ctx.names["loss"]
            return loss.clone()

        @staticmethod
        def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, ...]:
            names = dict(ctx.names)
            exec(backward_code, names)
            return tuple(upstream[0] * names[f"d{name}"] for name in subject.leaves)

    leaves = tuple(start[name].detach().requires_grad_() for name in subject.leaves)
    try:
        torch.autograd.gradcheck(Program.apply, leaves, fast_mode=fast)
    except RuntimeError as error:  # a GradcheckError, or the engine's error about a shape
        _, found, rest = str(error).partition("with respect to input ")
        return [f"d{subject.leaves[int(rest.split(',')[0])]}" if found else ""]
    return []


def assert_close(subject: Subject) -> Failing:
    """Return what torch.testing.assert_close rejects with its defaults."""

    def passes(hand: Tensor, own: Tensor) -> bool:
        try:
            torch.testing.assert_close(hand, own)
        except AssertionError:
            return False
        return True

    return _failing(subject, passes)


def cmp_exact(subject: Subject) -> Failing:
    """Return where the notebooks' cmp prints `exact: False`."""
    return _failing(subject, lambda hand, own: bool(torch.all(hand == own)))


def cmp_approximate(subject: Subject) -> Failing:
    """Return where the notebooks' cmp prints `approximate: False`."""
    return _failing(subject, torch.allclose)


def _failing(subject: Subject, passes: Callable[[Tensor, Tensor], bool]) -> Failing:
    """Run the program with every node's gradient retained, then compare pair by pair."""
    names = subject.names(None)
    exec(subject.setup + "\n" + subject.forward, names)
    nodes = {hand: names[hand[1:]] for hand in subject.hands}
    for node in nodes.values():
        node.retain_grad()
    names["loss"].backward()
    exec(subject.backward, names)
    failing = []
    for hand, node in nodes.items():
        try:
            right = passes(names[hand].detach(), node.grad)
        except RuntimeError:  # cmp raises where shapes do not broadcast, so its user notices
            right = False
        if not right:
            failing.append(hand)
    return failing


PEERS: dict[str, Callable[[Subject], Failing]] = {
    "gradcheck, fast": lambda subject: gradcheck(subject, fast=True),
    "gradcheck, slow": lambda subject: gradcheck(subject, fast=False),
    "assert_close": assert_close,
    "cmp, exact": cmp_exact,
    "cmp, approximate": cmp_approximate,
}
