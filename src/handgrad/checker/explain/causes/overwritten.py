"""The backward pass has overwritten a tensor of the forward pass.

What: a line reads a forward value that an earlier line of the backward pass changed in-place.

Why: `bndiff += ...`, `h *= ...` and functions with a trailing underscore keep no copy of the
forward value; every line below reads the new one. Often the d is missing, or a gradient was started
as `dlogits = probs`, which is a second name for probs and not a copy.

Wrong:

    # h = torch.tanh(hpreact), logits = h @ W2 + b2
    h *= h
    dhpreact = (1 - h) * dh
    dW2 = h.T @ dlogits

Right:

    dhpreact = (1 - h**2) * dh
    dW2 = h.T @ dlogits
"""

import re

from handgrad.checker.explain.causes.alias import cloned
from handgrad.checker.explain.search.changed import Changed, changed
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.passes.compare import judge
from handgrad.checker.record.trace import Bind, key_of

CODE = "HG127"
NAME = "forward overwritten"
ORDER = 80


def find(suspect: Suspect) -> Finding | None:
    """Name the statement that overwrote a value that the line reads, or its own value."""
    lacking = _lost(suspect)
    if lacking is not None:
        return lacking
    found = changed(suspect, "overwritten")
    writer = None if found is None else _writer(suspect, found.name)
    if found is None or writer is None:
        return None
    text, place = writer.statement.text.split("\n")[0], writer.statement.place
    message = f"{found.name} no longer holds what the forward pass computed: `{text}`, {place}, "
    gradient = suspect.gradients.get(found.name)
    if gradient is not None and (fix := _with_d(suspect, writer, found.name, gradient)):
        return Finding(f"{message}writes to it. Use {gradient} there.", fix, place)
    second = _second(suspect, found, writer) if writer.alias else None
    if second is not None and (fix := cloned(second)):
        own = f"{message}writes to it too, since {second.name} is the same tensor. "
        return Finding(f"{own}Use .clone() to copy.", fix, second.statement.place)
    return Finding(f"{message}writes to it. Store the result under a new name there.")


def _lost(suspect: Suspect) -> Finding | None:
    """Find `zd += ...`, which adds to the value what belongs to its gradient."""
    name, gradient = suspect.node.name, suspect.hand.name
    writer = _writer(suspect, name)
    fix = None if writer is None else _with_d(suspect, writer, name, gradient)
    if writer is None or fix is None:
        return None
    text, place = writer.statement.text.split("\n")[0], writer.statement.place
    return Finding(
        f"{gradient} lacks what `{text}`, {place}, adds to the forward value {name}. "
        f"Use {gradient} there.",
        fix,
        place,
    )


def _writer(suspect: Suspect, name: str) -> Bind | None:
    """Return the first statement after the forward pass that changed the tensor."""
    forward = suspect.forward
    for event in forward.trace.events[forward.end + 1 :]:
        if type(event) is Bind and event.name == name and event.kind == "update":
            return event
    return None


def _with_d(suspect: Suspect, writer: Bind, name: str, gradient: str) -> str | None:
    """Return the statement with the gradient instead of the value, if that completes it."""
    hand = next((h for h in suspect.backward.hands.values() if h.name == gradient), suspect.hand)
    trace, node = suspect.forward.trace, hand.node
    text = writer.statement.text
    written = re.match(rf"{re.escape(name)}(\.data)?(?=\s*\+=)", text)
    if writer.alias or node is None or written is None:
        return None
    before = trace.at(writer.value, suspect.forward.end + 1)
    lost = (trace.at(writer.value, writer.index) - before).detach()
    value = trace.at(hand.final().value, hand.final().index).detach()
    if value.shape != lost.shape:
        return None
    truth, noise = suspect.forward.truth[node.index], suspect.forward.noise[node.index]
    verdict, _ = judge(value + lost, None, truth, noise)
    return gradient + text[written.end() :] if verdict != "wrong" else None


def _second(suspect: Suspect, found: Changed, writer: Bind) -> Bind | None:
    """Return the assignment of the name under which the tensor was modified."""
    events = suspect.forward.trace.events[: writer.index]
    for event in reversed(events):
        if type(event) is not Bind or event.kind != "assign" or event.alias:
            continue
        if event.name != found.name and key_of(event.value) == key_of(writer.value):
            return event
    return None
