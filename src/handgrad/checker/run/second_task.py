"""The task of the second process: judge recorded gradients again."""

from collections.abc import Sequence
from typing import Any

import torch

from handgrad.checker.judge.evidence import judged_again
from handgrad.checker.records import CellError, Note
from handgrad.checker.run.task import Task


class SecondTask(Task):
    """Judge what another process has recorded. It runs no code of a file."""

    def answer(self, errors: Sequence[CellError], notes: Sequence[Note]) -> dict[str, Any]:
        """Return the verdicts; a pass that is malformed has none."""
        judged: list[tuple[str, str, bool]] = []
        for evidence in self.request["evidence"]:
            try:
                with torch.enable_grad():
                    judged += judged_again(evidence)
            except Exception:  # whatever a stranger's process sent
                continue
        return {"judged": judged}
