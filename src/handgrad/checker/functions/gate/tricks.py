"""Ways of passing a test without computing the result: what each is, and what to do instead."""

from typing import NamedTuple

from handgrad.checker.functions.gate.process import Observed


class Trick(NamedTuple):
    """A way of passing a test, seen in the candidate. `kind` is its name for `--allow`."""

    kind: str
    message: str
    fix: str


MESSAGES = {
    "autograd": (
        "A gradient is computed by autograd, not by the candidate: {}.",
        "Write the gradient in backward of a torch.autograd.Function.",
    ),
    "reference": (
        "The candidate calls the reference, or a copy of it: {}.",
        "Compute the result; do not call the function that it is compared with.",
    ),
    "cache": (
        "Results of earlier calls are kept: {}.",
        "Compute every result from the inputs of its own call, in new memory.",
    ),
    "tampering": (
        "The candidate interferes with the check: {}.",
        "Leave the interpreter's hooks and the pipe of the check alone.",
    ),
    "peeking": (
        "The candidate reads another process: {}.",
        "Compute the result from the inputs.",
    ),
    "files": (
        "The candidate writes to files of the check: {}.",
        "Leave the reference's file alone.",
    ),
}
ALLOWABLE = ("autograd", "reference", "cache")
"""What `--allow` accepts: each can be intended."""


def tricks(observed: Observed, unrepeated: list[str], changed: list[str]) -> list[Trick]:
    """Return what was seen. `unrepeated`: calls that are left out for numbers seen before."""
    seen = {kind: list(whats) for kind, whats in observed.kinds.items()}
    if observed.kept:
        seen.setdefault("cache", []).append("two calls return the same memory")
    if unrepeated:
        names = ", ".join(unrepeated[:4])
        seen.setdefault("cache", []).append(
            f"for numbers that it has seen before, it no longer calls {names}"
        )
    if changed:
        seen["files"] = changed
    return [
        Trick(kind, MESSAGES[kind][0].format("; ".join(whats[:4])), MESSAGES[kind][1])
        for kind, whats in seen.items()
        if kind in MESSAGES and whats
    ]
