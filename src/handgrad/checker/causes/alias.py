"""Two names for one tensor: writing to the one changes the other.

What: a gradient was right until a later line wrote into its memory under another name.

Why: `dhprebn = dbndiff` copies nothing, both names stand for the same tensor, and `+=`, `*=` and
functions with a trailing underscore write to it. `.clone()` makes a tensor of its own.

Wrong:

    dhprebn = dbndiff
    dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani

Right:

    dhprebn = dbndiff.clone()
    dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani
"""

import ast

from handgrad.checker.explaining.edits import Text
from handgrad.checker.explaining.finding import Finding
from handgrad.checker.explaining.suspect import Suspect
from handgrad.checker.recording.trace import Bind, key_of

CODE = "HG126"
NAME = "alias without clone"


def find(suspect: Suspect) -> Finding | None:
    """Find the statement that gave the gradient's memory a second name."""
    alias, name = suspect.grade.alias, suspect.hand.name
    if alias is None or alias is not suspect.statement:
        return None
    second = _second(suspect)
    if second is None:
        return Finding(f"{name} was right until this line wrote into its memory.")
    text = second.statement.text
    said = (
        f"{name} and {second.name} are one tensor since `{text}`: this line writes to both. "
        f".clone() there keeps them apart."
    )
    return Finding(said, _cloned(second), second.statement.place)


def _second(suspect: Suspect) -> Bind | None:
    """Return the other name under which the memory was written to, where it got that name."""
    memory = key_of(suspect.hand.binds[-1].value)
    events = suspect.forward.trace.events
    begun = suspect.hand.binds[0].index
    for event in events[begun:]:
        if type(event) is not Bind or event.name == suspect.hand.name:
            continue
        if key_of(event.value) == memory and event.kind == "assign" and not event.alias:
            return event
    return None


def _cloned(second: Bind) -> str | None:
    """Return `dhprebn = dbndiff.clone()` for `dhprebn = dbndiff`."""
    try:
        tree = ast.parse(second.statement.text).body
    except SyntaxError:
        return None
    if len(tree) != 1 or not isinstance(tree[0], ast.Assign):
        return None
    text = Text(second.statement.text, tree[0])
    return text.wrap(tree[0].value, "{}.clone()")
