"""Places: an index, a slice or a range moved by one; `+=` for `=`."""

import ast
import re
from collections.abc import Iterator, Mapping

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.explain.search.grammar.edit import Edit
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.explain.search.unit import Body

FEW = 12
"""Other indices, and names of numbers, that are tried."""
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


def other_places(suspect: Suspect, text: Text) -> Iterator[Edit]:
    """Put an index of another line, or one made of other names, for each index."""
    known, counts = _written_indices(suspect), _counts(suspect)
    places = _elements(suspect)
    for node in ast.walk(text.tree):
        if not isinstance(node, ast.Subscript) or _is_size(node):
            continue
        index = node.slice
        kinds = _kinds(index)
        yield from _parts(text, index, node, [t for t, k in known.items() if k == kinds])
        for part in index.elts if isinstance(index, ast.Tuple) else [index]:
            if isinstance(part, ast.Slice):
                yield from _parts(text, part, node, _ends(text, part, counts))
            elif isinstance(part, ast.Name) and part.id in counts:
                others = [name for name in counts if counts[name] != counts[part.id]]
                yield from _parts(text, part, node, others)
            if type(LineRunner(suspect.scope).value(text.segment(part))) is int:
                yield from _parts(text, part, node, places)


def _kinds(index: ast.expr) -> tuple[bool, ...]:
    """Tell for each dimension whether a slice stands there."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return tuple(isinstance(part, ast.Slice) for part in parts)


def _written_indices(suspect: Suspect) -> dict[str, tuple[bool, ...]]:
    """Return the indices with slices in the lines beside the statement, each with its kinds."""
    found: dict[str, tuple[bool, ...]] = {}
    for line in ast.iter_child_nodes(Body(suspect.statement).stack[-1]):
        for node in ast.walk(line):
            if isinstance(node, ast.Subscript) and not _is_size(node) and any(_kinds(node.slice)):
                found.setdefault(_text_of(node.slice), _kinds(node.slice))
    return dict(list(found.items())[:FEW])


def _elements(suspect: Suspect) -> list[str]:
    """Return the places that the lines of the program look up in index tensors: `arg[i, j]`."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(suspect.statement.source)):
        if isinstance(node, ast.Subscript) and not _is_size(node):
            index = node.slice
            for part in index.elts if isinstance(index, ast.Tuple) else [index]:
                if isinstance(part, ast.Subscript) and not _is_size(part):
                    found.setdefault(ast.unparse(part))
    return list(found)[:FEW]


def _text_of(index: ast.expr) -> str:
    return ast.unparse(index).removeprefix("(").removesuffix(")")


def _counts(suspect: Suspect) -> dict[str, int]:
    """Return the names of whole numbers that the lines of the program's backward pass mention."""
    names = {n: suspect.scope.get(n) for n in suspect.scope if not n.startswith("_")}
    source = suspect.statement.source
    known = {n: v for n, v in names.items() if type(v) is int and re.search(rf"\b{n}\b", source)}
    return dict(list(known.items())[-FEW:])


def _ends(text: Text, part: ast.Slice, counts: Mapping[str, int]) -> list[str]:
    """Return other slices with one end: `n:`, `:n` and `-n:` for `:n`."""
    ends = [end for end in (part.lower, part.upper) if end is not None]
    if len(ends) != 1 or part.step is not None:
        return []
    written = text.segment(ends[0])
    own = [] if isinstance(ends[0], ast.UnaryOp) else [f"{written}:", f":{written}", f"-{written}:"]
    others = [form.format(name) for name in counts for form in ("{}:", ":{}")]
    return [end for end in (*own, *others) if end != text.segment(part)]


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
        yield _accumulated(suspect, text, target, value)
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


def _accumulated(suspect: Suspect, text: Text, target: ast.Subscript, value: str) -> Edit:
    index, augmented = text.segment(target.slice), isinstance(text.tree, ast.AugAssign)
    subtracts = augmented and not isinstance(text.tree.op, ast.Add)  # type: ignore[attr-defined]
    places = index if isinstance(target.slice, ast.Tuple) else f"{index},"
    rows = f"-({value})" if subtracts else value
    adds = "index_put_ with accumulate=True"
    if suspect.scope.of_arrays:
        adds = f"{suspect.scope.numpy_name()}.add.at"
    return Edit(
        f"{text.segment(target.value)}.index_put_(({places}), {rows}, accumulate=True)",
        f"`{'+=' if augmented else '='}` keeps one row where {index} repeats an index; "
        f"{adds} adds all of them",
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
