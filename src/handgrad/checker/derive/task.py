"""The task of `handgrad derive`: run a file and derive the backward pass of its loss."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from handgrad.checker.records import CellError, Note
from handgrad.checker.run.task import Task
from handgrad.checker.write.derive.derive import choose_pass, derive_pass


class DeriveTask(Task):
    """Derive a backward pass. The request's `fused` and `loss` are those of derive_file."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        # without a name, the loss is known after the first steps of a training loop
        self.session.recorder.leaves = lambda loop: request["loss"] is None

    def has_enough(self) -> bool:
        """Return whether the first steps of a training loop have been recorded."""
        return self.session.recorder.enough

    def ended_cell(self) -> bool:
        """Return the same: the recorder ends the loop with an exception."""
        return self.session.recorder.enough

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the derivation."""
        with torch._C.DisableTorchFunction(), torch.enable_grad():
            chosen = choose_pass(self.session.recorder.trace, self.file, self.request["loss"])
            derivation = derive_pass(chosen, self.file, self.request["fused"], errors)
        return {"derivation": asdict(derivation)}
