"""An index is off by one.

What: the step before or after is read or written, or the range ends one early.

Why: the gradient of what was read at t - 1 goes with what stood at t - 1; Python counts from 0 and
a range leaves its end out.

Wrong:

    # hs[t] = torch.tanh(xs[t] @ Wx + hs[t - 1] @ Wh)
    dWh += hs[t].T @ da

Right:

    dWh += hs[t - 1].T @ da
"""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.later import mended_later
from handgrad.checker.explain.search.looping import Body, changed, makes_right
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.records import Place

CODE = "HG135"
NAME = "index off by one"
_RANGES = {"range", "arange"}
_SHIFTS = {"roll", "shift", "diag", "diagonal", "tril", "triu", "tril_", "triu_", "narrow"}


def find(suspect: Suspect) -> Finding | None:
    """Move each index by one, then the ends of the loops around the statement."""
    text = suspect.text or _unrepeated(suspect)
    for fix, got, right in _moved(text) if text is not None else ():
        if suspect.mends(fix) or (suspect.text is None and _in_loop(suspect, fix)):
            return Finding(f"Off by one: {right} is right where {got} stands.", fix)
    return mended_later(suspect, _said) or _range(suspect)


def _said(text: Text) -> Iterator[tuple[str, str]]:
    for fix, got, right in _moved(text):
        yield fix, f"Off by one: {right} is right where {got} stands."


def _moved(text: Text) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Subscript) and not _is_size(node):
            for part in _indices(node.slice):
                if isinstance(part, ast.Slice):
                    yield from _slices(text, node, part)
                else:
                    yield from _by_one(text, part, node)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in _SHIFTS:
                for part in [a for a in node.args if _integer(a) is not None][:1]:
                    yield from _by_one(text, part, node)
            elif name in _RANGES | {"one_hot", "index_put_", "gather", "scatter_add_"}:
                for part in node.args:
                    yield from _by_one(text, part, node)
            elif name == "index_add_" and len(node.args) > 1:
                yield from _by_one(text, node.args[1], node)


def _is_size(node: ast.Subscript) -> bool:
    """Tell `x.shape[0]`, whose number is no place in a tensor but a dimension."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"


def _indices(index: ast.expr) -> list[ast.expr]:
    return list(index.elts) if isinstance(index, ast.Tuple) else [index]


def _by_one(text: Text, part: ast.expr, around: ast.expr) -> Iterator[tuple[str, str, str]]:
    shift = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub)
    one = shift and isinstance(part.right, ast.Constant) and part.right.value == 1  # type: ignore[attr-defined]
    own, whole = text.segment(part), text.segment(around)
    if one:
        assert isinstance(part, ast.BinOp)
        base = text.segment(part.left)
        turned = f"{base} {'-' if isinstance(part.op, ast.Add) else '+'} 1"
        others = [base, turned]
    elif isinstance(part, ast.Constant | ast.UnaryOp):
        value = _integer(part)
        others = [] if value is None else [str(value - 1), str(value + 1), str(-value)]
    elif isinstance(part, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        others = [f"{own} - 1", f"{own} + 1"]
    else:
        others = []
    for other in others:
        yield text.replace(part, other), whole, whole.replace(own, other, 1)


def _slices(text: Text, around: ast.Subscript, part: ast.Slice) -> Iterator[tuple[str, str, str]]:
    """Yield the other slices that leave one out, and those that begin or end one later."""
    own, whole = text.segment(part), text.segment(around)
    ends = [None if end is None else text.segment(end) for end in (part.lower, part.upper)]
    others = [":-1", "1:", ":"] if ends in (["1", None], [None, "-1"], [None, None]) else []
    for i, end in enumerate((part.lower, part.upper)):
        if end is None or part.step is not None:
            continue
        value = _integer(end)
        near = [f"{ends[i]} - 1", f"{ends[i]} + 1"]
        if value is not None:
            near = [str(value - 1), str(value + 1)]
        if isinstance(end, ast.BinOp) and _integer(end.right) == 1:
            near = [text.segment(end.left)]
        others += [":".join([n, ends[1] or ""] if i == 0 else [ends[0] or "", n]) for n in near]
    start = text.text.find(whole)
    for other in others:
        if other != own and start >= 0:
            moved = whole.replace(own, other) if whole.count(own) == 1 else None
            if moved is not None:
                yield text.replace(around, moved), whole, moved


def _integer(node: ast.expr) -> int | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _unrepeated(suspect: Suspect) -> Text | None:
    """Return the text of a statement whose loop must begin anew to be run again."""
    body = Body(suspect.statement)
    if not body.loops or suspect.unit is None or not suspect.views:
        return None
    return Text(suspect.unit.text, suspect.unit.tree)


def _in_loop(suspect: Suspect, fix: str) -> bool:
    body = Body(suspect.statement)
    node, outer = body.node, body.loops[0]
    if node is None:
        return False
    made = ast.parse(fix).body

    def with_fix(rows: list[ast.stmt]) -> list[ast.stmt]:
        same = [(r.lineno, r.col_offset) == (node.lineno, node.col_offset) for r in rows]
        return [x for row, own in zip(rows, same, strict=True) for x in (made if own else [row])]

    return makes_right(suspect, [changed(outer, with_fix)], outer.lineno)


def _range(suspect: Suspect) -> Finding | None:
    """Let each loop around the statement begin or end one earlier or later."""
    body = Body(suspect.statement)
    if not body.loops:
        return None
    outer = body.loops[0]
    for loop in body.loops:
        if not isinstance(loop, ast.For):
            continue
        got = ast.unparse(loop.iter)
        text = Text(f"_ = {got}", ast.parse(f"_ = {got}").body[0])
        for other, _, _ in _moved(text):
            right = other.removeprefix("_ = ").replace("range(0, ", "range(")

            def ranged(
                rows: list[ast.stmt], line: int = loop.lineno, to: str = right
            ) -> list[ast.stmt]:
                for row in rows:
                    if isinstance(row, ast.For) and row.lineno == line:
                        row.iter = ast.parse(to, mode="eval").body
                return rows

            new = changed(ast.If(ast.Constant(True), [outer], []), ranged)
            assert isinstance(new, ast.If)
            if makes_right(suspect, new.body, outer.lineno):
                target, place = ast.unparse(loop.target), suspect.statement.place
                return Finding(
                    f"Off by one: the loop over {got} must go over {right}.",
                    f"for {target} in {right}:",
                    Place(loop.lineno, place.cell),
                )
    return None
