"""Lines that read a tensor which belongs to no node and so was not judged.

Where several lines read it and all of them are wrong, the mistake is in the tensor's own line.
Where one line does, it may be in either.
"""

import ast
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.statements import grouped
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind


def with_unexamined(forward: Pass, grades: Sequence[Grade]) -> list[Grade]:
    """Return the grades with the lines of unexamined tensors blamed where those are at fault."""
    if not any(grade.root for grade in grades):
        return list(grades)
    made = _unexamined(forward, grades)
    reads = {g.hand.number: _read(g, made) for g in grades}
    changed = {grade.hand.number: grade for grade in grades}
    for number, found in reads.items():
        grade = changed[number]
        if not grade.root or grade.alias is not None or not found:
            continue
        bind = found[-1]
        readers = [g for g in grades if _reads_one(reads[g.hand.number], bind)]
        if any(g.right and not g.root and _has(reads[g.hand.number], bind) for g in readers):
            continue  # it was right for another line
        roots = [g for g in readers if g.root]
        if len({g.hand.own_final().statement.place for g in roots}) == 1:
            changed[number] = replace(grade, unjudged=(bind.name,))
        elif roots[0] is grade:
            blamed = replace(grade.blamed, statements=(bind.statement,), added=None)
            changed[number] = replace(grade, blamed=blamed, unjudged=(bind.name,))
        else:
            changed[number] = replace(grade, root=False, blamed_on=(roots[0].hand,))
    return list(changed.values())


def unexplained(forward: Pass, grades: Sequence[Grade], explained: Set[int]) -> list[Grade]:
    """Return the grades; where no cause was found, a tensor that was not judged is blamed as well.

    `explained` are the numbers of the pairs whose line has a cause.
    """
    made = _unexamined(forward, grades)
    changed = []
    for grade in grades:
        found = _read(grade, made)
        own = [statement for statement, _ in grouped(grade.hand)]
        lone = grade.root and grade.unjudged and grade.blamed.statements[0] in own
        if lone and found and grade.hand.number not in explained:
            statements = (*grade.blamed.statements, found[-1].statement)
            grade = replace(grade, blamed=replace(grade.blamed, statements=statements))
        changed.append(grade)
    return changed


def _reads_one(found: Sequence[Bind], bind: Bind) -> bool:
    return any(b.statement is bind.statement for b in found)


def _has(found: Sequence[Bind], bind: Bind) -> bool:
    return any(b.value is bind.value for b in found)


def _unexamined(forward: Pass, grades: Sequence[Grade]) -> dict[int, Bind]:
    """Return the tensors named after the forward pass that are neither gradients nor nodes."""
    known = {id(b.value) for b in forward.nodes()}
    known |= {id(b.value) for g in grades for b in g.hand.binds}
    later = (e for e in forward.trace.events[forward.end + 1 :] if type(e) is Bind)
    return {
        id(b.value): b
        for b in later
        if id(b.value) not in known
        and b.value.is_floating_point()
        and b.kind in ("assign", "update")
        if b.value.dim() > 0
    }


def _read(grade: Grade, made: Mapping[int, Bind]) -> list[Bind]:
    """Return the unexamined tensors that the gradient's statements name."""
    found: dict[int, Bind] = {}
    for bind in grade.hand.binds:
        if bind.alias:
            continue
        words = set(re.findall(r"[^\W\d]\w*", _expression(bind)))
        latest: dict[str, Bind] = {}
        for other in made.values():
            if other.name in words and other.call is bind.call and other.index < bind.index:
                latest[other.name] = other
        found |= {id(other.value): other for other in latest.values()}
    return list(found.values())


def _expression(bind: Bind) -> str:
    """Return the text that computes the value: of several that are returned, its own."""
    text, at = bind.statement.text, re.search(r"\(\)\[(\d+)\]", bind.name)
    try:
        node = ast.parse(text).body[0]
    except SyntaxError:  # the first line of a loop
        return text
    value = getattr(node, "value", None)
    if at is not None and isinstance(value, ast.Tuple) and int(at[1]) < len(value.elts):
        return ast.unparse(value.elts[int(at[1])])
    return ast.unparse(node.value) if isinstance(node, ast.Assign) else text
