"""Places: an index, a slice or a range moved by one; `+=` for `=`."""

import ast
from collections.abc import Iterator

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.suspect import Suspect

_ENDS = {"range", "arange", "one_hot", "index_put_", "gather", "scatter_add_"}
_SHIFTS = {"roll", "shift", "diag", "diagonal", "tril", "triu", "tril_", "triu_", "narrow"}
_ADDING = {"scatter_": "scatter_add_", "index_copy_": "index_add_", "scatter": "scatter_add",
           "index_copy": "index_add"}  # fmt: skip


def moved(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Move each index, and each end of a slice or a range, by one."""
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Subscript) and not _is_size(node):
            index = node.slice
            for part in index.elts if isinstance(index, ast.Tuple) else [index]:
                others = _slices(text, part) if isinstance(part, ast.Slice) else _near(text, part)
                yield from _parts(text, part, node, others)
        elif isinstance(node, ast.Call):
            for part in _places(node):
                yield from _parts(text, part, node, _near(text, part))


def added(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Add to what stands at an index, where the statement replaces it."""
    target = getattr(text.tree, "target", None) or next(
        iter(getattr(text.tree, "targets", [])), None
    )
    if isinstance(target, ast.Subscript) and text.value is not None:
        value, name = text.segment(text.value), text.segment(target)
        if not isinstance(text.tree, ast.AugAssign):
            lost = f"`=` replaces the value at {name}; subtract from it instead"
            if value.startswith("-"):
                yield Edit(f"{name} -= {value[1:].lstrip()}", lost)
            kept = f"`=` keeps only the last value for {name}; `+=` adds all of them"
            yield Edit(f"{name} += {value}", kept)
        yield _accumulated(text, target, value)
    for call in text.of(ast.Call):
        yield from _adding(text, call)


def _parts(text: Text, part: ast.expr, around: ast.expr, others: list[str]) -> Iterator[Edit]:
    """Put each of the others for a part of an expression; the message shows the expression."""
    span, whole = text.span(part), text.span(around)
    for other in others:
        patch = (*span, other)  # a slice is no expression, and an index needs no parentheses
        now = text.patched([patch], around)
        yield Edit(text.patched([patch]), text.text[slice(*whole)], now)


def _is_size(node: ast.Subscript) -> bool:
    """Tell `x.shape[0]`, whose number is no place in a tensor but a dimension."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"


def _places(call: ast.Call) -> list[ast.expr]:
    """Return the arguments that say where: the ends of a range, the offset of a diagonal."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in _SHIFTS:
        return [part for part in call.args if _integer(part) is not None][:1]
    return call.args if name in _ENDS else call.args[1:2] if name == "index_add_" else []


def _near(text: Text, part: ast.expr) -> list[str]:
    """Return what is one away from an index."""
    written = text.segment(part)
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub):
        base, sign = text.segment(part.left), "-" if isinstance(part.op, ast.Add) else "+"
        return [base, f"{base} {sign} 1"] if _integer(part.right) == 1 else []
    value = _integer(part)
    if value is not None:
        return [str(value - 1), str(value + 1), str(-value)]
    named = isinstance(part, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return [f"{written} - 1", f"{written} + 1"] if named else []


def _slices(text: Text, part: ast.Slice) -> list[str]:
    """Return the other slices that leave one out, and those that begin or end one later."""
    written = text.segment(part)
    others = [":-1", "1:", ":"] if written in ("1:", ":-1", ":") else []
    low, _, high = written.partition(":")
    for bound in (part.lower, part.upper) if part.step is None else ():
        if bound is not None:
            end = text.segment(bound)
            near = _near(text, bound)[: 1 if isinstance(bound, ast.BinOp) else 2]
            near = near or [f"{end} - 1", f"{end} + 1"]
            others += [f"{n}:{high}" if bound is part.lower else f"{low}:{n}" for n in near]
    return [other for other in others if other != written]


def _integer(node: ast.expr) -> int | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _accumulated(text: Text, target: ast.Subscript, value: str) -> Edit:
    index, augmented = text.segment(target.slice), isinstance(text.tree, ast.AugAssign)
    subtracts = augmented and not isinstance(text.tree.op, ast.Add)  # type: ignore[attr-defined]
    places = index if isinstance(target.slice, ast.Tuple) else f"{index},"
    rows = f"-({value})" if subtracts else value
    return Edit(
        f"{text.segment(target.value)}.index_put_(({places}), {rows}, accumulate=True)",
        f"`{'+=' if augmented else '='}` keeps one row where {index} repeats an index; "
        "index_put_ with accumulate=True adds all of them",
    )


def _adding(text: Text, call: ast.Call) -> Iterator[Edit]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    adds = "adds all values for one index"
    if name in _ADDING:
        function = text.segment(call.func).removesuffix(name) + _ADDING[name]
        message = f"{name} keeps only the last value; {_ADDING[name]} {adds}"
        yield Edit(text.replace(call.func, function), message)
    if name in ("index_put_", "index_put", "put_"):
        message = f"Without accumulate=True, {name} keeps only the last value; with it, it {adds}"
        for keyword in call.keywords:
            if keyword.arg == "accumulate":
                yield Edit(text.replace(keyword.value, "True"), message)
        if not call.keywords:
            whole = text.segment(call)[:-1].rstrip()
            yield Edit(text.replace(call, f"{whole}, accumulate=True)"), message)
