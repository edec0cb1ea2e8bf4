"""Two names share one tensor: writing to one changes the other.

What: a gradient was correct until a later line wrote to its memory under another name.

Why: `dhprebn = dbndiff` copies nothing. Both names refer to the same tensor, and `+=`, `*=` and
functions with a trailing underscore modify it in-place. `.clone()` makes an independent copy.

Wrong:

    dhprebn = dbndiff
    dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani

Right:

    dhprebn = dbndiff.clone()
    dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani
"""

import ast

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Bind, key_of

CODE = "HG126"
NAME = "alias without clone"
ORDER = 20


def find(suspect: Suspect) -> Finding | None:
    """Find the statement that gave the gradient's memory a second name."""
    alias, name = suspect.grade.alias, suspect.hand.name
    if alias is None or alias is not suspect.statement:
        return None
    second = _second(suspect)
    if second is None:
        return Finding(f"{name} was correct until this line wrote to its memory.")
    since = max(second, suspect.hand.binds[0], key=lambda bind: bind.index)
    message = (
        f"{name} and {second.name} share memory since `{since.statement.text}`, so this line "
        "writes to both. Use .clone() to copy."
    )
    fix = cloned(second)
    return Finding(message, fix, None if fix is None else second.statement.place)


def _second(suspect: Suspect) -> Bind | None:
    """Return the assignment that gave the memory its second name."""
    alias = suspect.grade.alias
    memory = key_of(suspect.hand.binds[-1].value)
    written = {target.name for target in alias.targets} if alias is not None else set()
    found: list[Bind] = []
    for event in suspect.forward.trace.events:
        if type(event) is not Bind or event.name == suspect.hand.name or event.alias:
            continue
        if event.statement is alias and found:
            break
        if key_of(event.value) == memory and event.kind == "assign":
            found.append(event)
    return next((b for b in reversed(found) if b.name in written), found[-1] if found else None)


def cloned(second: Bind) -> str | None:
    """Return `dhprebn = dbndiff.clone()` for `dhprebn = dbndiff`."""
    text = Text.parsed(second.statement.text)
    if text is None or not isinstance(text.tree, ast.Assign):
        return None
    first, value = text.tree.targets[0], text.tree.value
    targets = [ast.unparse(target) for target in text.tree.targets]
    if len(targets) > 1:  # da = db = dc
        if second.name not in targets:
            return None
        rest = [*(t for t in targets if t != second.name), text.segment(value)]
        return f"{' = '.join(rest)}\n{second.name} = {text.atom(value)}.clone()"
    if not isinstance(first, ast.Tuple):
        return text.wrap(value, "{}.clone()")
    names = [ast.unparse(target) for target in first.elts]
    if not isinstance(value, ast.Tuple) or second.name not in names:
        return None  # a function gave several
    return text.wrap(value.elts[names.index(second.name)], "{}.clone()")
