"""`=` where `+=` is due: what was there is thrown away.

What: several contributions go to one place, and only one of them arrives: the last turn of a loop,
the last row that looked up an index, the second of two branches.

Why: `=` replaces. `dC[Xb] += demb` replaces too: where Xb has an index twice, both rows are added
to the same old value and the later one is kept. `index_put_(..., accumulate=True)`, `index_add_`
and `scatter_add_` add up.

Wrong:

    # emb = C[Xb]
    dC[Xb] += demb

Right:

    dC.index_put_((Xb,), demb, accumulate=True)
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.looping import Body, changed, makes_right, starts_from
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG124"
NAME = "= where += is due"
_ADDING = {"scatter_": "scatter_add_", "index_copy_": "index_add_", "scatter": "scatter_add",
           "index_copy": "index_add"}  # fmt: skip


def find(suspect: Suspect) -> Finding | None:
    """Add where the statement replaces."""
    text = suspect.text
    for fix, said in _adding(text) if text is not None else ():
        if suspect.mends(fix):
            return Finding(said, fix)
    return _every_turn(suspect)


def _adding(text: Text) -> Iterator[tuple[str, str]]:
    target = getattr(text.tree, "target", None) or next(
        iter(getattr(text.tree, "targets", [])), None
    )
    augmented = isinstance(text.tree, ast.AugAssign)
    if isinstance(target, ast.Subscript) and text.value is not None:
        name, value = text.segment(target), text.segment(text.value)
        if not augmented:
            if value.startswith("-"):
                said = f"`=` throws away what stood at {name}; it is to be subtracted from it."
                yield f"{name} -= {value[1:].lstrip()}", said
            yield f"{name} += {value}", f"`=` keeps what came last for {name}; `+=` adds it up."
        index = text.segment(target.slice)
        kept = "`+=` keeps" if augmented else "`=` keeps"
        said = (
            f"{kept} one row for an index that {index} has several times; index_put_ with "
            "accumulate=True adds them all."
        )
        inner = value if not augmented or isinstance(text.tree.op, ast.Add) else f"-({value})"  # type: ignore[attr-defined]
        whole = index if isinstance(target.slice, ast.Tuple) else f"{index},"
        yield f"{text.segment(target.value)}.index_put_(({whole}), {inner}, accumulate=True)", said
    for call in text.of(ast.Call):
        yield from _calls(text, call)


def _calls(text: Text, call: ast.Call) -> Iterator[tuple[str, str]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    function, whole = text.segment(call.func), text.segment(call)
    adds = "adds all that goes to one index"
    if name in _ADDING:
        other = _ADDING[name]
        made = function[: -len(name)] + other
        yield text.replace(call.func, made), f"{name} keeps what came last; {other} {adds}."
    if name in ("index_put_", "index_put", "put_", "index_put"):
        said = f"Without accumulate=True, {name} keeps what came last; with it, it {adds}."
        for keyword in call.keywords:
            if keyword.arg == "accumulate":
                yield text.replace(keyword.value, "True"), said
        if not call.keywords:
            yield text.replace(call, f"{whole[:-1].rstrip()}, accumulate=True)"), said


def _every_turn(suspect: Suspect) -> Finding | None:
    """Find `dW = ...` in a loop: each turn throws away what the ones before it made."""
    body = Body(suspect.statement)
    node = body.node
    if not body.loops or not isinstance(node, ast.Assign):
        return None
    outer = body.loops[0]

    def adds(rows: list[ast.stmt]) -> list[ast.stmt]:
        return [_augmented(row) if _is_same(row, node) else row for row in rows]

    if not makes_right(suspect, [changed(outer, adds)], outer.lineno):
        return None
    head, _, value = suspect.statement.text.partition("=")
    fix = f"{head.rstrip()} += {value.lstrip()}"
    zeros = "" if starts_from(suspect, outer.lineno) else ", from zeros before it"
    return Finding(f"`=` keeps the loop's last turn alone; `+=` adds all of them up{zeros}.", fix)


def _augmented(row: ast.stmt) -> ast.stmt:
    assert isinstance(row, ast.Assign)
    target = row.targets[0]
    assert isinstance(target, ast.Name | ast.Subscript | ast.Attribute)
    return ast.AugAssign(target, ast.Add(), row.value)


def _is_same(row: ast.stmt, node: ast.stmt) -> bool:
    return row.lineno == node.lineno and row.col_offset == node.col_offset
