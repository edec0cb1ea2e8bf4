"""`%handgrad derive`: the backward pass of the latest forward pass, verified, for a new cell."""

from collections.abc import Mapping
from typing import Any

import torch

from handgrad.checker.session import Session
from handgrad.checker.write.derive.derive import derive_pass, latest_pass
from handgrad.checker.write.derive.records import Derivation, MissingStep

NAME = "notebook"
WHERE = " The lines are in the next cell."


def derived(session: Session, names: Mapping[str, Any], fused: bool = False) -> Derivation:
    """Derive the newest forward pass whose loss still has one of the user's `names`.

    Raises CheckError, one line that begins with NAME, if there is none.
    """
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        chosen = latest_pass(session.recorder.trace, names, NAME)
        return derive_pass(chosen, NAME, fused)


def summary(derivation: Derivation, where: str = WHERE) -> str:
    """Return the counts, and what could not be derived and why."""
    lines = [f"handgrad: {derivation.summary()}{where if derivation.gradients else ''}"]
    lines += [f"  {_place(step)}{step}" for step in derivation.missing]
    lines += [f"  {gradient}" for gradient in derivation.gradients if not gradient.right]
    return "\n".join(lines)


def _place(step: MissingStep) -> str:
    return "" if step.line is None else f"In [{step.cell}], line {step.line}: "
