"""Describe a forward pass that has run: its loss and its tensors, for an exercise.

This runs in the child process, which has torch; the description goes to the parent as a Forward.
"""

import re
from collections.abc import Sequence

import torch

from handgrad.checker.exercise.described import Forward, ForwardTensor
from handgrad.checker.pairs.losses import hands_by_loss
from handgrad.checker.passes.find import find_passes
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.trace import Bind, Op, Trace
from handgrad.checker.records import CellError
from handgrad.checker.report.entries.rows import missing_rows
from handgrad.checker.write.derive.derive import derive_pass
from handgrad.errors import CheckError

NO_LOSS = "no gradient to write: no loss was computed from a tensor with requires_grad=True"
WANTED = "; set requires_grad=True on the parameters, and assign the result to loss"


def described(
    trace: Trace, file: str, errors: Sequence[CellError], solved: bool = False
) -> Forward:
    """Return the pass with the most named tensors; with `solved`, derive its backward pass, too.

    Raises CheckError, one line, if there is no pass that an exercise can use.
    """
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        passes = [p for p in find_passes(trace, {}) if p.asked is None]
        if not passes:
            raise CheckError(f"{file}: {NO_LOSS}{'' if errors else WANTED}")
        forward = max(passes, key=lambda p: (_is_single(p), len(_named(p)), p.end))
        loss = _loss(forward, trace, file)
        _require_run(file, loss, errors)
        try:
            truth = differentiated(forward)
        except RuntimeError as error:
            raise CheckError(f"{file}: its gradients cannot be computed: {error}") from error
        place, text = loss.statement.place, loss.statement.text
        if isinstance(place.cell, str):
            where = f"the loss is computed in {place.cell}"
            raise CheckError(f"{file}: {where}: make the exercise from that file")
        by_hand = {h.name for h in hands_by_loss(trace, passes, {}) if h.candidates}
        return Forward(
            loss=loss.name,
            cell=place.cell,
            line=place.line,
            last_line=place.line + text.count("\n"),
            tensors=tuple(_tensors(truth, loss)),
            by_hand=tuple(sorted(by_hand)),
            derived=derive_pass(forward, file).lines if solved else (),
        )


def _loss(forward: ForwardPass, trace: Trace, file: str) -> Bind:
    """Return the statement at the top level of the file that names the loss."""
    output = forward.outputs[0]
    every: list[Bind] = trace.of(Bind)
    binds = [b for b in every if b.value is output and b.kind != "param"]
    top = next((b for b in binds if not b.statement.function and b.name.isidentifier()), None)
    if not _is_single(forward):
        raise CheckError(f"{file}: an exercise needs one loss that is a single number")
    if top is None:
        where = f" (line {binds[0].statement.place.line})" if binds else ""
        raise CheckError(
            f"{file}: the loss{where} has no name at the top level of the file; "
            "an exercise needs a line such as loss = ... outside any function"
        )
    return top


def _is_single(forward: ForwardPass) -> bool:
    return len(forward.outputs) == 1 and forward.outputs[0].numel() == 1


def _require_run(file: str, loss: Bind, errors: Sequence[CellError]) -> None:
    """Raise CheckError if a cell up to the loss failed."""
    cell = loss.statement.place.cell
    for error in errors:
        if isinstance(cell, int) and error.cell is not None and error.cell <= cell:
            raise CheckError(f"{file}: an exercise needs a forward pass that runs")


def _named(forward: ForwardPass) -> list[Bind]:
    """Return the names at the top level, which the lines of an exercise can read."""
    return [
        b
        for b in forward.nodes()
        if b.kind != "param" and not b.statement.function and b.name.isidentifier()
    ]


def _tensors(forward: Pass, loss: Bind) -> list[ForwardTensor]:
    """Return the tensors in the order in which their gradients can be written.

    A gradient is complete once every line that reads its tensor has been differentiated, and the
    earliest of these lines comes last in the backward pass. Tensors that the same line reads are
    in the order of its text.
    """
    named = _named(forward)
    current = {b.name: b for b in named}  # the last one counts if a name is set twice
    readers = _readers(forward, named, loss)
    ordered = []
    for row in missing_rows(forward, [], {}):
        bind = current.get(row.node)
        lines = readers.get(id(bind.value), []) if bind is not None else []
        if bind is not None and lines:
            order = (-lines[0].index, _position(bind.name, lines[0].statement.text))
            texts = tuple(dict.fromkeys(b.statement.text for b in lines[::-1]))
            ordered.append((order, ForwardTensor(row.node, row.expected_shape or (), texts)))
    return [tensor for _, tensor in sorted(ordered, key=lambda pair: pair[0])]


def _position(name: str, text: str) -> int:
    """Return the position at which the right side of a statement first reads `name`."""
    match = re.search(rf"\b{re.escape(name)}\b", text[text.find("=") :])
    return match.start() if match else 0


def _readers(forward: ForwardPass, named: Sequence[Bind], loss: Bind) -> dict[int, list[Bind]]:
    """Return the statements that read each named tensor, in order, by the id of the tensor."""
    tensors = {id(b.value) for b in named}
    waiting: set[int] = set()
    readers: dict[int, list[Bind]] = {}
    tops = {id(b) for b in named}
    for event in forward.events:
        if type(event) is Op:
            waiting |= {id(t) for t in event.inputs} & tensors
        elif id(event) in tops and type(event) is Bind:
            for number in waiting - {id(event.value)}:
                readers.setdefault(number, []).append(event)
            waiting = set()
    for number in waiting:  # the loss got its name after the last of the events
        readers.setdefault(number, []).append(loss)
    return readers
