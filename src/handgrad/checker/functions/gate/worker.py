"""The candidate's process: it imports the candidate, runs it on what the judge sends, answers.

Its parent imports torch and waits: for each candidate it forks once, so that a new process takes
milliseconds. Nothing here decides what is right.
"""

import ctypes
import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.functions.gate import wire
from handgrad.checker.functions.gate.arena import Arena
from handgrad.checker.functions.gate.errors import described_error
from handgrad.checker.functions.gate.names import NotFound, resolved
from handgrad.checker.functions.gate.watch import Watch
from handgrad.checker.functions.inputs.arguments import buffers_of
from handgrad.checker.functions.runs.calls import LEAF_WRITTEN, passed, structure_of, tensors_of

_grad = torch.autograd.grad
KEEP = 4
"""So many latest results stay alive: an equal address then means the same memory."""


class Worker:
    """Serves the requests of a judge. `answers` is a descriptor that messages go to."""

    def __init__(self, arena: Arena, answers: int, setup: wire.Message) -> None:
        self._arena, self._answers = arena, answers
        self._device = torch.device(setup["device"])
        self._watch = Watch(self._observe, setup["fingerprints"])
        self._calls: dict[int, _Call] = {}
        self._kept: list[Tensor] = []
        self._function = self._load(setup)

    def _load(self, setup: wire.Message) -> Any:
        if setup["builtin"]:
            with suppress(Exception):
                self._watch.builtins.add(id(resolved(setup["builtin"])))
        try:
            init = setup["init"] and wire.unpacked(setup["init"], ())
            found = resolved(setup["candidate"], init)
        except NotFound as error:
            self._send({"event": "missing", "text": str(error)})
        except BaseException as error:
            self._send({"event": "broken", **described_error(error)})
        else:
            if isinstance(found, type) and issubclass(found, torch.autograd.Function):
                found = found.apply
            if isinstance(found, torch.nn.Module) and setup["parameters"]:
                found = _sharing(found, setup["parameters"])
            if callable(found):
                self._send({"event": "ready"})
                return found
            text = f"{setup['candidate']} is {type(found).__name__}, which cannot be called"
            self._send({"event": "missing", "text": text})
        os._exit(0)

    def serve(self, lines: wire.Lines) -> None:
        """Answer requests until the judge is gone."""
        with suppress(wire.Closed):
            while True:
                request = lines.line()
                for call in request.get("drop", ()):
                    self._calls.pop(call, None)
                try:
                    answer, tensors = getattr(self, f"do_{request['do']}")(request)
                    described = [wire.described(t) for t in tensors]
                    payload = [wire.raw(t) for t in tensors]
                except BaseException as error:
                    answer, described, payload = (
                        {"event": "raised", **described_error(error)},
                        [],
                        [],
                    )
                self._send({"event": "answer", **answer, "tensors": described}, payload)

    def do_forward(self, request: wire.Message) -> tuple[wire.Message, list[Tensor]]:
        """Call the candidate."""
        leaves = [self._view(d) for d in request["tensors"]]
        for i, leaf in enumerate(leaves):
            leaf.requires_grad_(i in request["wanted"])
        torch.set_num_threads(request["threads"])
        torch.manual_seed(0)
        before = torch.default_generator.get_state()
        entered = leaves
        try:
            result = self._result(request, entered)
        except RuntimeError as error:
            if LEAF_WRITTEN not in str(error):
                raise
            entered = [passed(leaf) for leaf in leaves]
            result = self._result(request, entered)
        outputs = tensors_of(result)
        self._calls[request["call"]] = _Call(leaves, request["wanted"], outputs)
        if request["wanted"]:
            self._watch.graph(outputs, leaves)
        answer = {
            "tree": _shape_of(result),
            "structure": structure_of(result),
            "requires": [o.requires_grad for o in outputs],
            "random": not torch.equal(before, torch.default_generator.get_state()),
            "kept": self._same_memory(outputs, entered),
            "in_place": [
                [i, j]
                for i, o in enumerate(outputs)
                for j, v in enumerate(entered)
                if o is v and v is not leaves[j]
            ],
        }
        return answer, outputs

    def _result(self, request: wire.Message, entered: Sequence[Any]) -> Any:
        arguments, options = wire.unpacked(request["tree"], entered)
        with torch.set_grad_enabled(bool(request["wanted"])), self._watch.call():
            return self._function(*arguments, **options)

    def do_gradients(self, request: wire.Message) -> tuple[wire.Message, list[Tensor]]:
        """Differentiate a call."""
        call = self._calls[request["call"]]
        upstream = [self._view(d) for d in request["tensors"]]
        graph = request["graph"]
        for u in upstream:
            u.requires_grad_(graph)
        outputs = [call.outputs[i] for i in request["outputs"]]
        wanted = [call.leaves[i] for i in call.wanted]
        self._watch.expected = 1
        with self._watch.call():
            gradients = _grad(
                outputs, wanted, upstream,
                retain_graph=True, create_graph=graph, allow_unused=True,
            )  # fmt: skip
        if graph:
            call.first, call.upstream = list(gradients), upstream
        return _with_gaps(gradients)

    def do_second(self, request: wire.Message) -> tuple[wire.Message, list[Tensor]]:
        """Differentiate the gradients of a call."""
        call = self._calls[request["call"]]
        along = [self._view(d) for d in request["tensors"]]
        first = [g for i, g in enumerate(call.first) if i in request["outputs"] and g is not None]
        by = [*call.upstream, *(call.leaves[i] for i in call.wanted)]
        self._watch.expected = 1
        with self._watch.call():
            gradients = _grad(first, by, along, retain_graph=True, allow_unused=True)
        return _with_gaps(gradients)

    def do_returned(self, request: wire.Message) -> tuple[wire.Message, list[Tensor]]:
        """Return what backward itself returns, before autograd checks it."""
        call = self._calls[request["call"]]
        given = {
            i: self._view(d) for i, d in zip(request["outputs"], request["tensors"], strict=True)
        }
        step: Any = call.outputs[request["outputs"][0]].grad_fn
        with torch.no_grad(), self._watch.call():
            result = step.apply(*(given.get(i) for i in range(len(call.outputs))))
        return _with_gaps(result if isinstance(result, tuple) else (result,))

    def do_work(self, request: wire.Message) -> tuple[wire.Message, list[Tensor]]:
        """Return what the candidate has called since the last such request."""
        work = dict(self._watch.work)
        self._watch.work.clear()
        return {"work": work}, []

    def _view(self, description: wire.Message) -> Tensor:
        return self._arena.view(description).to(self._device)

    def _same_memory(self, outputs: Sequence[Tensor], leaves: Sequence[Any]) -> list[int]:
        """Return the results that share memory with a result of an earlier call."""
        given = {_address(leaf) for leaf in leaves if isinstance(leaf, Tensor)}
        before = {_address(t) for t in self._kept} - given - {0}
        self._kept = [*self._kept, *outputs][-KEEP * max(len(outputs), 1) :]
        return [i for i, o in enumerate(outputs) if _address(o) in before]

    def _observe(self, kind: str, what: str) -> None:
        self._send({"event": "observed", "kind": kind, "what": what})

    def _send(self, message: wire.Message, payload: Sequence[bytes] = ()) -> None:
        try:
            wire.send(self._answers, message, payload)
        except OSError:  # the judge is gone
            os._exit(0)


def _sharing(module: torch.nn.Module, names: Sequence[str]) -> Any:
    """Return a function whose last arguments are the parameters of the module."""
    own, count = [name for name, _ in module.named_parameters()], len(names)
    plain = [name.removeprefix("parameters.") for name in names]
    order = plain if set(plain) == set(own) else own

    def called(*arguments: Any, **options: Any) -> Any:
        first, values = arguments[:-count], arguments[-count:]
        if len(own) != count:
            raise TypeError(f"the module has {len(own)} parameters, the reference {count}")
        state = {**buffers_of(module, arguments), **dict(zip(order, values, strict=True))}
        return torch.func.functional_call(module, state, first, options)

    return called


class _Call:
    """A call, whose graph is kept."""

    def __init__(self, leaves: list[Any], wanted: list[int], outputs: list[Tensor]) -> None:
        self.leaves, self.wanted, self.outputs = leaves, wanted, outputs
        self.first: list[Tensor | None] = []
        self.upstream: list[Tensor] = []


def _address(value: Tensor) -> int:
    return value.untyped_storage().data_ptr() if value.layout is torch.strided else 0


def _with_gaps(gradients: Sequence[Any]) -> tuple[wire.Message, list[Tensor]]:
    there = [i for i, g in enumerate(gradients) if isinstance(g, Tensor)]
    return {"at": there, "count": len(gradients)}, [gradients[i].detach() for i in there]


def _shape_of(result: Any) -> Any:
    """Return how the tensors of a result are nested."""
    if isinstance(result, Tensor):
        return ["tensor", 0]
    numbers = iter(range(len(tensors_of(result))))
    return ["tuple", [["tensor", i] for i in numbers]]


def _limited(memory: int | None) -> None:
    """Limit the memory of this process, on top of what it has mapped already."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is None or sys.platform != "linux":
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    limit = mapped + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _child(descriptors: Sequence[int]) -> None:
    """Run one candidate, and never return."""
    requests, answers, memory, output = descriptors
    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.close(output)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: die with the parent
    try:
        lines = wire.Lines(lambda count: os.read(requests, count))
        setup = lines.line()
        arena = Arena(memory)
        _limited(setup["memory"])
        sys.path[:0] = setup["path"]
        Worker(arena, answers, setup).serve(lines)
    finally:
        os._exit(0)


def main() -> None:
    """Fork a child for each set of descriptors that arrives; answer with its process id.

    `wait PID` answers with its exit status, negative for a signal, as subprocess does.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    torch.set_num_threads(1)
    with suppress(ImportError):  # the first gradient imports it, which takes half a second
        importlib.import_module("torch.fx.experimental.symbolic_shapes")
    while True:
        text, descriptors, _, _ = socket.recv_fds(control, 64, 4)
        if not text:
            return
        if descriptors:
            pid = os.fork()
            if not pid:
                control.close()
                _child(descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(b"%d\n" % pid)
        else:
            _, status = os.waitpid(int(text), 0)
            control.send(b"%d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
