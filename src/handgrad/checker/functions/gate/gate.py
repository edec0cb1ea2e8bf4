"""`handgrad check-function`: a candidate that nobody trusts, judged from another process.

The judge imports the reference and computes the truth; it never imports the candidate. The
candidate runs in processes of its own, and only its numbers come back.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from torch import Tensor, nn

from handgrad.checker.functions.check import judged, parameters_of
from handgrad.checker.functions.gate import names, wire
from handgrad.checker.functions.gate.conditioning import everywhere, ill_conditioned
from handgrad.checker.functions.gate.errors import error_of
from handgrad.checker.functions.gate.probes import failure_of, probe, repeats
from handgrad.checker.functions.gate.process import (
    Candidate,
    GaveUp,
    ProcessLostError,
    Setup,
)
from handgrad.checker.functions.gate.remote import Remote
from handgrad.checker.functions.gate.result import Coverage, GateResult
from handgrad.checker.functions.gate.samples import EXTRA, unknown_samples
from handgrad.checker.functions.gate.tricks import tricks
from handgrad.checker.functions.gate.watch import fingerprints
from handgrad.checker.functions.gate.zygote import Zygote
from handgrad.checker.functions.inputs.arguments import Arguments, arranged
from handgrad.checker.functions.inputs.complex import returns_complex
from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.report.report import FunctionReport
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.explore import Explored
from handgrad.checker.functions.runs.refusals import error_line
from handgrad.checker.functions.samples.sample import DTYPES, CheckSample
from handgrad.errors import CheckError

Again = Callable[[str | None], str]
"""Returns the command that runs one sample, or all of them."""


@dataclass(frozen=True)
class Question:
    """What is asked of the gate."""

    candidate: str
    reference: str
    inputs: Any
    """As for `check_function`; a string `module:make` is a function of the reference's module."""
    seed: int
    fixed: str = ""
    sizes: dict[str, tuple[int, ...]] | None = None
    dtypes: tuple[str, ...] = DTYPES
    wrt: tuple[str, ...] | None = None
    forward_only: bool = False
    double_backward: bool = False
    allowed: tuple[str, ...] = ()
    sample: str | None = None
    device: str = "cpu"
    call_timeout: float = 60.0
    timeout: float = 600.0
    memory: int | None = 8 * 2**30


def judge(question: Question, again: Again, zygote: Zygote | None = None) -> GateResult:
    """Judge a candidate, in children of `zygote`. Raises CheckError if the question is invalid."""
    start = time.monotonic()
    folder = os.getcwd()
    sys.path.append(folder)  # last: a torch.py beside the candidate is not torch
    own, reference, inputs = _trusted(question, folder)
    before = _digest(own)
    arguments = arranged(None, reference, inputs, {})
    bench = _bench(question, arguments, reference)
    codes, builtin = fingerprints(reference, question.reference)
    setup = Setup(
        question.candidate, (folder,), question.device, question.call_timeout, question.timeout,
        question.memory, codes, builtin, tuple(arguments.parameters), _init(reference),
    )  # fmt: skip
    with Candidate(setup, zygote) as candidate, isolated():
        gate = _Gate(question, bench, arguments, candidate, again)
        report, explored = gate.report()
        unrepeated = gate.unrepeated
        changed = [str(own)] if _digest(own) != before else []
        ill = tuple(gate.ill)
        return GateResult(
            candidate=question.candidate,
            reference=question.reference,
            seed=question.seed,
            report=report,
            tricks=tuple(tricks(candidate.observed, unrepeated, changed)),
            allowed=question.allowed,
            ill_conditioned=ill,
            undecided=tuple(everywhere(list(ill), explored.dtypes) if explored else ()),
            covered=_coverage(bench, explored, candidate, question),
            printed=candidate.printed() if gate.lost else "",
            seconds=time.monotonic() - start,
        )


class _Gate:
    """One candidate under judgement."""

    def __init__(
        self,
        question: Question,
        bench: Bench,
        arguments: Arguments,
        candidate: Candidate,
        again: Again,
    ) -> None:
        self.question, self.again, self.candidate = question, again, candidate
        self.last = ""
        self.lost = False
        self.unrepeated: list[str] = []
        self.ill: list[Any] = []
        name = question.candidate.rpartition(":")[2].removesuffix(".apply")
        remote = arguments.caller(Remote(candidate, name))
        self.bench = Bench(
            remote, bench.reference, bench.inputs, bench.double_backward, bench.seed,
            bench.forward_only,
        )  # fmt: skip
        self.name = name

    def report(self) -> tuple[FunctionReport, Explored | None]:
        """Return what is wrong. A candidate that is lost is one failure."""
        try:
            refused = self._load()
            if refused is not None:
                return self._alone(refused), None
            report, explored = self._judged()
        except GaveUp as error:
            self.lost = True
            return self._alone(self._failure("function", str(error))), None
        except CheckError as error:
            if not str(error).startswith("the function"):
                raise
            return self._alone(self._failure("function", str(error))), None
        tricked = self.candidate.observed.kinds.keys() - set(self.question.allowed)
        if self.question.sample is None and report.ok and explored.judged() and not tricked:
            report = self._probed(report, explored)
        self.lost |= any("ends its process" in f.error for f in report.failures)
        return report, explored

    def _load(self) -> Failure | None:
        """Import the candidate. Raises CheckError if there is no such module or name."""
        try:
            first = self.candidate.start()
        except ProcessLostError as error:
            self.lost = True
            return self._failure("import", str(error))
        if first["event"] == "ready":
            return None
        if first["event"] == "missing":
            raise CheckError(str(first["text"]))
        line, where = error_line(error_of(first)), str(first["where"])
        at = f" ({where})" if where else ""
        return self._failure("import", f"raises {line}{at}")

    def _judged(self) -> tuple[FunctionReport, Explored]:
        question = self.question
        report, explored = judged(
            self.bench,
            lambda sample: self.again(str(sample)),
            question.dtypes,
            question.sizes,
            question.sample,
            unknown_samples(question.seed),
        )
        failures = tuple(map(_without_class, report.failures))
        return _with(report, failures), explored

    def _probed(self, report: FunctionReport, explored: Explored) -> FunctionReport:
        """Run what depends on earlier calls. A candidate that is lost here raises GaveUp."""
        random = Random(self.question.seed)
        try:
            found = probe(self.bench, explored, self.candidate, random)
            if not found:
                self.unrepeated = repeats(self.bench, explored.base, self.candidate)
            self.ill = ill_conditioned(self.bench, explored)
        except GaveUp as error:
            self.lost = True
            return _with(report, (self._failure("function", str(error)),))
        except Exception as error:  # it fails in calls of the same kind that passed before
            failure = self._failure("function", f"raises {error_line(error)} after earlier calls")
            return _with(report, (_without_class(failure),))
        failures = [failure_of(self.bench, one, self.again(None)) for one in found]
        return _with(report, tuple(failures))

    def _failure(self, what: str, error: str) -> Failure:
        return Failure((what,), "", (), error, "No further sample ran.", again=self.again(None))

    def _alone(self, failure: Failure) -> FunctionReport:
        return FunctionReport(self.name, (failure,), 0, ())


def _trusted(question: Question, folder: str) -> tuple[Path | None, Any, Any]:
    """Import the reference and its inputs. Raises CheckError if the candidate comes with them."""
    try:
        theirs = names.file_of(question.candidate, [folder])
        ours = names.file_of(question.reference, [folder])
        if theirs is not None and theirs == ours:
            raise CheckError(
                f"{question.reference} is in the file of the candidate, which could change it: "
                f"put the reference in a file of its own"
            )
        reference = names.resolved(question.reference)
        inputs = question.inputs
        if isinstance(inputs, str):
            inputs = names.resolved(inputs)
    except names.NotFound as error:
        raise CheckError(str(error)) from error
    except CheckError:
        raise
    except Exception as error:
        raise CheckError(f"the reference cannot be imported: {error_line(error)}") from error
    if not callable(reference):
        raise CheckError(f"{question.reference} is {type(reference).__name__}, not a function")
    loaded = {getattr(m, "__file__", None) for m in list(sys.modules.values())}
    if theirs is not None and str(theirs) in loaded:
        raise CheckError(
            f"{question.reference} imports {theirs.name}, the file of the candidate, which could "
            f"change it: the reference must not import it"
        )
    return ours, reference, inputs


def _bench(question: Question, arguments: Arguments, reference: Any) -> Bench:
    given = arguments.specified(
        parameters_of(None, reference), None, question.fixed, question.wrt,
        not question.forward_only,
    )  # fmt: skip
    called = arguments.caller(reference)
    if returns_complex(called, given):
        raise CheckError("complex inputs and outputs: pass them as pairs of real numbers")
    return Bench(
        called, called, given, question.double_backward, question.seed, question.forward_only
    )


def _init(reference: Any) -> Any:
    """Return what the reference's class was made from, if it can be passed to another process."""
    if not isinstance(reference, nn.Module):
        return None
    tensors: list[Tensor] = []
    try:
        tree = wire.packed(names.init_of(sys.modules[type(reference).__module__]), tensors)
    except (KeyError, TypeError):
        return None
    return None if tensors else tree


def _digest(path: Path | None) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
    except OSError:
        return "gone"


def _without_class(failure: Failure) -> Failure:
    """Return the failure of a lost process in the words of that, not of an exception."""
    return replace(failure, error=failure.error.replace("raises ProcessLostError: ", ""))


def _with(report: FunctionReport, failures: Sequence[Failure]) -> FunctionReport:
    return replace(report, failures=tuple(failures))


def _coverage(
    bench: Bench, explored: Explored | None, candidate: Candidate, question: Question
) -> Coverage:
    seen = candidate.observed
    if explored is None:
        return Coverage(calls=seen.calls, processes=seen.processes)
    ran: list[CheckSample] = [trial.sample for trial in explored.judged()]
    return Coverage(
        samples=len(ran),
        random_samples=0 if question.sample else min(EXTRA, sum(s.draw > 0 for s in ran)),
        refused=sum(t.status in ("refused", "unsupported") for t in explored.trials),
        dtypes=explored.dtypes,
        sizes={
            letter: tuple(sorted({s.size_of[letter] for s in ran}))
            for letter in bench.inputs.letters
        },
        layouts=tuple(dict.fromkeys(s.layout for s in ran)),
        upstreams=() if question.forward_only else tuple(dict.fromkeys(s.upstream for s in ran)),
        gradients=()
        if question.forward_only
        else tuple(bench.inputs.names[i] for i in bench.inputs.wrt),
        calls=seen.calls,
        processes=seen.processes,
    )
