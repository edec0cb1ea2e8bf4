"""`handgrad derive FILE`: the file runs in a child process as for a check; its pass is derived."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.checker.records import CellError
from handgrad.checker.run.run import TIMEOUT, asked, require_settings
from handgrad.checker.run.source import read_source
from handgrad.checker.run.wire import unpack_as
from handgrad.checker.write.derive.records import Derivation
from handgrad.errors import CheckError

if TYPE_CHECKING:
    from handgrad.checker.session import Session


@dataclass(frozen=True)
class Derived:
    """A derivation, and what the file printed meanwhile."""

    derivation: Derivation
    output: str


def derive_file(
    file: str | Path, fused: bool = False, loss: str | None = None, timeout: float = TIMEOUT
) -> Derived:
    """Run a notebook or a script and derive the backward pass of its loss.

    `loss` names the one to take where there are several: else that of the longest forward pass on
    which backward() was called, or the longest of all. Raises CheckError, one line, where there is
    no loss or the file cannot be run; SettingsError for a time limit that cannot work.
    """
    require_settings(timeout, None)
    try:
        source = read_source(file)
    except CheckError as refusal:
        said = str(refusal)
        if "::" in str(file):
            said += "; of a function: handgrad.derive(function, inputs), in Python"
        raise CheckError(said) from refusal
    settings: dict[str, Any] = {"pairs": {}, "max_steps": None, "timeout": timeout}
    wanted = {"task": "derive", "derive": {"fused": fused, "loss": loss}}
    answer, output = asked(source, {**settings, **wanted})
    return Derived(unpack_as(Derivation, answer["derivation"]), output)


def derive_session(
    session: "Session", file: str, errors: Sequence[CellError], fused: bool, loss: str | None
) -> Derivation:
    """Derive the pass that a session has recorded, in the process that recorded it."""
    import torch

    from handgrad.checker.write.derive.derive import choose_pass, derive_pass

    with torch._C.DisableTorchFunction(), torch.enable_grad():
        chosen = choose_pass(session.recorder.trace, file, loss)
        return derive_pass(chosen, file, fused, errors)
