"""`handgrad derive FILE`: run a file in a child process and derive its backward pass there."""

from dataclasses import dataclass
from pathlib import Path

from handgrad.checker.run.run import TIMEOUT, require_settings, run_source, unpacked
from handgrad.checker.run.source import read_source
from handgrad.checker.write.derive.records import Derivation
from handgrad.errors import CheckError

DERIVE = "handgrad.checker.derive.task:DeriveTask"


@dataclass(frozen=True)
class Derived:
    """A derivation, and what the file printed while it ran."""

    derivation: Derivation
    output: str


def derive_file(
    file: str | Path, fused: bool = False, loss: str | None = None, timeout: float = TIMEOUT
) -> Derived:
    """Run a notebook or a script and derive the backward pass of its loss.

    `loss` names the loss if there are several. Without it, the loss is that of the longest forward
    pass on which backward() was called, or of the longest of all. `timeout` is in seconds.

    Raises CheckError, one line, if there is no loss or the file cannot be run, and SettingsError
    for an invalid time limit.
    """
    require_settings(timeout, None)
    try:
        source = read_source(file)
    except CheckError as refusal:
        hint = "; to derive a function, use handgrad.derive(function, inputs) in Python"
        raise CheckError(f"{refusal}{hint if '::' in str(file) else ''}") from refusal
    answer, output = run_source(source, DERIVE, timeout, fused=fused, loss=loss)
    return Derived(unpacked(source, answer, "derivation", Derivation), output)
