"""In the candidate's process: how it computes. Whether its numbers are right, the judge decides.

Each observation is sent to the judge at once, so that the candidate cannot take it back:

    autograd   autograd computes a gradient: the graph has nodes of torch's own operations where a
               hand-written one should be, or backward calls autograd again
    reference  the reference's own code runs, or a copy of it under another name
    tampering  the candidate switches the observation off
    peeking    it reads the files of handgrad's process
"""

import ctypes
import hashlib
import inspect
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import CodeType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

Report = Callable[[str, str], None]
"""Takes the kind of an observation, and what was seen."""
PERTURB, PATTERNS = -6, (0x80, 0x3D)
"""glibc's M_PERTURB, and the bytes that give new memory large numbers: no result is left in it."""
SHORT = 64
"""Bytes of code that two functions may share by chance."""
_MOVES = re.compile(
    r"(?:Unsafe|_)?(?:View|Reshape|ReshapeAlias|Transpose|T|Permute|Expand|Squeeze|Unsqueeze|Slice"
    r"|Select|Clone|ToCopy|Alias|Split|SplitWithSizes|Unbind|Cat|Stack|AsStrided|Narrow|Detach"
    r"|Chunk|Flatten|Unflatten|Movedim|ConstantPadNd|Roll|Flip|Identity|View[A-Za-z]*)Backward\d+"
)
"""Nodes that move numbers and compute none."""


class Watch:
    """Observes the calls of a candidate. `expected` runs of autograd are the worker's own."""

    def __init__(self, report: Report, fingerprints: Sequence[str]) -> None:
        self._report = report
        self._fingerprints = set(fingerprints)
        self._codes: dict[CodeType, bool] = {}
        self._seen: set[tuple[str, str]] = set()
        self._active = False
        self._calls = 0
        self._announced = 0
        """Runs of the engine that came through `torch.autograd`."""
        self.expected = 0
        self.work: Counter[str] = Counter()
        """What the candidate called since it was cleared."""
        self.builtins: set[int] = set()
        """Functions written in C that are the reference."""
        self._perturb = _mallopt()
        self._watch_engine()
        sys.addaudithook(self._audit)

    def say(self, kind: str, what: str) -> None:
        """Report an observation once."""
        if (kind, what) not in self._seen:
            self._seen.add((kind, what))
            self._report(kind, what)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Observe the candidate's code in this block."""
        self._calls += 1
        if self._perturb:
            self._perturb(PERTURB, PATTERNS[self._calls % 2])
        self._active, self._announced = True, 0
        sys.setprofile(self._profile)
        threading.setprofile(self._profile)
        try:
            yield
        finally:
            self._active = False
            sys.setprofile(None)
            threading.setprofile(None)

    def graph(self, outputs: Sequence[Tensor], leaves: Sequence[Any]) -> None:
        """Report the nodes of torch's own operations that no hand-written node covers."""
        ours = {id(leaf) for leaf in leaves if isinstance(leaf, Tensor)}
        stack: list[tuple[Any, str]] = [(o.grad_fn, "") for o in outputs if o.requires_grad]
        done: set[tuple[int, bool]] = set()
        while stack:
            node, culprit = stack.pop()
            name = type(node).__name__
            if culprit and name == "PassedBackward":  # an input that is overwritten
                self.say("autograd", f"{culprit} in the graph of its forward")
            if (id(node), bool(culprit)) in done or isinstance(node, BackwardCFunction):
                continue
            done.add((id(node), bool(culprit)))
            if name == "AccumulateGrad":
                if culprit and id(node.variable) in ours:
                    self.say("autograd", f"{culprit} in the graph of its forward")
                continue
            if not re.fullmatch(r"\w+Backward\d+", name):
                continue  # a node that somebody wrote in C++
            culprit = culprit or ("" if _MOVES.fullmatch(name) else name)
            stack += [(n, culprit) for n, _ in node.next_functions if n is not None]

    def _watch_engine(self) -> None:
        original = torch.autograd.graph._engine_run_backward

        def watched(*args: Any, **options: Any) -> Any:
            self.expected -= 1
            if self._active and self.expected < 0:
                self.say("autograd", "torch.autograd.grad inside its own code")
            self._announced += 1
            return original(*args, **options)

        torch.autograd.graph._engine_run_backward = watched
        torch.autograd.__dict__["_engine_run_backward"] = watched

    def _profile(self, frame: Any, event: str, argument: Any) -> None:
        if not self._active:
            return
        if event == "call":
            code = frame.f_code
            self.work[code.co_name] += 1
            if code not in self._codes:
                self._codes[code] = not self._fingerprints.isdisjoint(prints_of(code))
            if self._codes[code]:
                self.say("reference", code.co_name)
        elif event == "c_call":
            name = getattr(argument, "__name__", "")
            self.work[name] += 1
            if id(argument) in self.builtins:
                self.say("reference", name)
            if name == "run_backward":
                self._announced -= 1
                if self._announced < 0:
                    self.say("autograd", "its engine inside its own code")

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("sys.setprofile", "threading.setprofile") and self._active:
            with suppress(Exception):
                caller = sys._getframe(1).f_code.co_filename
                if caller not in (__file__, threading.__file__):
                    self.say("tampering", event)
        elif event in ("ctypes.dlsym", "open") and self._active:
            with suppress(Exception):
                path = str(arguments[0])
                if re.match(r"/proc/(?!self)\d+/", path):
                    self.say("peeking", path)


def fingerprints(reference: Any, name: str) -> tuple[tuple[str, ...], str | None]:
    """Return the fingerprints of the reference's code, and its name if it is written in C."""
    owner = reference if isinstance(reference, type) else type(reference)
    found = inspect.unwrap(reference)
    if isinstance(owner, type) and issubclass(owner, torch.nn.Module):
        found = owner.forward
    code = getattr(found, "__code__", None)
    if code is None:
        return (), name if inspect.isbuiltin(found) else None
    return prints_of(code), None


def prints_of(code: CodeType) -> tuple[str, ...]:
    """Return where a code comes from, and, unless it is short, what its copies share with it."""
    place = f"{code.co_filename}:{code.co_firstlineno} {code.co_name}"
    if len(code.co_code) < SHORT:
        return (place,)
    constants = [c for c in code.co_consts[1:] if not isinstance(c, CodeType)]
    content = (code.co_code, constants, code.co_names, code.co_varnames)
    return place, hashlib.sha256(repr(content).encode()).hexdigest()


def _mallopt() -> Any:
    try:
        return ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return None
