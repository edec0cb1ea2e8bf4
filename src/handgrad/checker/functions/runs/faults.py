"""What is wrong with one sample, as data."""

from dataclasses import dataclass, field, replace
from typing import Literal

from handgrad.checker.functions.runs.bench import Quantity
from handgrad.checker.functions.runs.calls import FunctionCall
from handgrad.checker.functions.runs.refusals import error_line
from handgrad.checker.functions.runs.truth import Results, Truth
from handgrad.checker.functions.samples.sample import CheckSample

FaultKind = Literal[
    "wrong", "imprecise", "shape", "missing", "detached", "raised", "changed", "again", "unsteady",
    "mixed", "overwritten", "infinite",
]  # fmt: skip
TrialStatus = Literal["judged", "refused", "unsupported", "void"]


@dataclass(frozen=True)
class Fault:
    """One failure of a sample. `detail` is the error that was raised, or what was written to."""

    quantity: Quantity
    kind: FaultKind
    detail: str = ""
    phase: str = ""
    ratio: float | None = None
    """R of a wrong result."""


Key = tuple[FaultKind, Quantity, str]
"""What two samples have in common that fail in the same way: kind, quantity, phase."""


@dataclass
class Trial:
    """One sample, run.

    `status`: judged; refused by the function on purpose; in a dtype that it refuses on purpose; or
    void, where the reference cannot run. `reason` is the error behind the last three.
    """

    sample: CheckSample
    status: TrialStatus = "judged"
    reason: str = ""
    faults: list[Fault] = field(default_factory=list)
    results: Results = field(default_factory=dict)
    """What the function returned."""
    outputs: int = 0
    """How many outputs had an upstream gradient."""
    single: bool = False
    """In float64 the results have only the precision of float32."""
    in_place: tuple[str, ...] = ()
    """The inputs that the function overwrites and returns, as it declares."""
    truth: Truth | None = None
    call: FunctionCall | None = None

    def forget(self) -> "Trial":
        """Return the trial without its tensors."""
        return replace(self, truth=None, call=None, results={})

    def crash(self, error: Exception, phase: str) -> None:
        """Add the fault of a call that raised."""
        self.faults.append(Fault(Quantity("run"), "raised", error_line(error), phase))

    def has(self, key: Key) -> bool:
        """Return whether the sample fails in this way."""
        return self.status == "judged" and any(key_of(fault) == key for fault in self.faults)

    def crashed(self) -> bool:
        """Return whether a call raised."""
        return any(fault.kind == "raised" for fault in self.faults)


def key_of(fault: Fault) -> Key:
    """Return what a fault has in common with the same fault of another sample."""
    return fault.kind, fault.quantity, fault.phase
