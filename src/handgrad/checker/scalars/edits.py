"""Changes of one statement of a rule, each with the cause that it would correct.

Codes and names are those of explain/causes.
"""

import ast
from collections.abc import Iterator

from handgrad.checker.scalars.place import MOST_NAMES, Edit, Place, slots

SWAPS = {"sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh", "exp": "log", "log": "exp"}
_FLIPS = {ast.Gt: "<", ast.Lt: ">", ast.GtE: "<=", ast.LtE: ">="}


def edits(place: Place) -> Iterator[Edit]:
    """Yield the changes of a statement, the likeliest first."""
    for rule in (_targets, _exchanged, _signs, _numbers, _names, _operators, _factors, _masks):
        yield from rule(place)


def _targets(place: Place) -> Iterator[Edit]:
    """`=` for `+=`, `-=` for `+=`, and a gradient that goes to another operand."""
    node, text = place.statement, place.text
    if not isinstance(node, ast.Assign | ast.AugAssign):
        return
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return
    start, end = text.span(target)
    operator = text.text[end : text.span(node.value)[0]]
    shown = text.segment(target)

    def other_operator(new: str) -> str:
        return text.patched([(end, end + len(operator), f" {new} ")])

    if isinstance(node, ast.Assign) and "(" not in operator:
        message = f"`=` replaces what {shown} has from other uses of the node; `+=` adds to it."
        yield place.edit("HG124", message, other_operator("+="))
    elif isinstance(node, ast.AugAssign) and "(" not in operator:
        new = "+=" if isinstance(node.op, ast.Sub) else "-="
        yield place.edit("HG102", "The sign of the contribution is wrong.", other_operator(new))
        if not isinstance(node.op, ast.Add | ast.Sub):
            message = f"The contribution is added to {shown}."
            yield place.edit("HG124", message, other_operator("+="))
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        for name in _owners(place):
            if name != target.value.id:
                new = f"{name}.{target.attr}"
                message = f"This is the contribution to {new}, added to {shown}."
                yield place.edit("HG139", message, text.patched([(start, end, new)]))


def _exchanged(place: Place) -> Iterator[Edit]:
    """Yield the statement with the two elements of a pair exchanged."""
    text = place.text
    for node in place.nodes:
        if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2:
            first, second = map(text.segment, node.elts)
            if first != second and not place.owners & {first, second}:
                message = f"{first} and {second} are exchanged."
                yield place.edit("HG107", message, text.replace_all(node.elts, [second, first]))


def _owners(place: Place) -> list[str]:
    return list(dict.fromkeys(n.split(".")[0] for n in place.names if "." in n))


def _signs(place: Place) -> Iterator[Edit]:
    text = place.text
    for node in place.nodes:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield place.replaced(
                "HG102",
                f"The minus in {text.segment(node)} is wrong.",
                node,
                text.segment(node.operand),
            )
    for slot in slots(place):
        if not isinstance(slot, ast.Constant) or slot.value:
            message = f"The sign of {text.segment(slot)} is wrong."
            yield place.replaced("HG102", message, slot, f"-{text.factor(slot)}")
    for node in place.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            sign = "-" if isinstance(node.op, ast.Add) else "+"
            left, _, right = text.sides(node)
            code, message = "HG102", f"The sign of {right.strip()} is wrong."
            if text.is_exponent(node):
                code, message = "HG104", f"The exponent is {left} {sign} {right}."
            yield place.edit(code, message, text.exchanged(node, sign))
            if isinstance(node.op, ast.Sub):
                message = f"{left} and {right} are exchanged: the sign is wrong."
                yield place.replaced("HG102", message, node, f"{right} - {left}")


def _atoms(place: Place) -> Iterator[ast.expr]:
    """Yield the operands that the statement reads."""
    for node in place.nodes:
        if place.is_called(node):
            continue
        inner = isinstance(place.text.parent(node), ast.Attribute)
        left_out = place.skip | place.owners
        if isinstance(node, ast.Name) and not inner and node.id not in left_out:
            yield node
        owner = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id not in place.skip:
            yield node


def _names(place: Place) -> Iterator[Edit]:
    """Yield the statement with another name in the place of each."""
    for node in _atoms(place):
        was = place.text.segment(node)
        for now in place.others(was):
            yield place.replaced(*_exchange(place, was, now), node, now)


def _exchange(place: Place, was: str, now: str) -> tuple[str, str]:
    """Return the code and the message of a name for another."""
    (owner, _, attribute), (other, _, wanted) = was.partition("."), now.partition(".")
    if place.reader and attribute == place.value and wanted == place.reader and owner == other:
        return "HG106", f"{was} is the forward value; its gradient {now} belongs here."
    if place.reader and attribute == place.reader and wanted == place.value and owner == other:
        return "HG106", f"{was} is a gradient; the forward value {now} belongs here."
    if now in place.upstream:
        return "HG108", f"{was} is used where the upstream gradient {now} belongs."
    return "HG107", f"{was} is used where {now} belongs."


def _numbers(place: Place) -> Iterator[Edit]:
    """Yield the statement with other numbers, exponents and factors in front of powers."""
    text = place.text
    for node in place.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            if isinstance(node.value, bool):
                continue
            was = text.segment(node)
            exponent = text.is_exponent(node) or text.is_exponent(text.parent(node) or node)
            for new in ("1", "2", "3", "0.5", "4", "0"):
                if new != was:
                    code = "HG104" if exponent else "HG103"
                    message = f"The number {was} should be {new}."
                    yield place.replaced(code, message, node, new)
    for node in place.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            power = text.factor(node.right)
            for new in (f"{power} - 1", f"{power} + 1"):
                message = f"The exponent of {text.segment(node.left)} is {new}."
                yield place.replaced("HG104", message, node.right, new)
            if isinstance(node.right, ast.BinOp):
                new = text.segment(node.right.left)
                message = f"The exponent of {text.segment(node.left)} is {new}."
                yield place.replaced("HG104", message, node.right, new)
            shown = text.segment(node.left)
            message = f"The power of {shown} does not belong here."
            yield place.replaced("HG104", message, node, shown)
    for atom in _atoms(place):
        was = text.segment(atom)
        for power in ("2", "3", "0.5"):
            message = f"The factor is {was}**{power}, not {was}."
            yield place.replaced("HG104", message, atom, f"{was}**{power}")


def _operators(place: Place) -> Iterator[Edit]:
    """Yield the statement with `/` for `*`, `*` for `/`, `**` for `*`, `*` for `**`."""
    text = place.text
    for node in place.nodes:
        if not isinstance(node, ast.BinOp):
            continue
        left, _, right = text.sides(node)
        if isinstance(node.op, ast.Mult):
            message = f"{right.strip()} divides here; it does not multiply."
            yield place.edit("HG105", message, text.exchanged(node, "/"))
            message = f"{text.segment(node)} is a product; the power is meant."
            yield place.edit("HG116", message, text.exchanged(node, "**"))
        elif isinstance(node.op, ast.Div):
            message = f"{right.strip()} multiplies here; it does not divide."
            yield place.edit("HG105", message, text.exchanged(node, "*"))
            message = f"{left} and {right} are exchanged."
            yield place.replaced("HG105", message, node, f"{right} / {left}")
        elif isinstance(node.op, ast.Add):
            message = f"{text.segment(node)} is a sum; the product is meant."
            yield place.edit("HG105", message, text.exchanged(node, "*"))
        elif isinstance(node.op, ast.Pow):
            message = f"{text.segment(node)} is a power; the product is meant."
            yield place.edit("HG116", message, text.exchanged(node, "*"))


def _factors(place: Place) -> Iterator[Edit]:
    """Yield the statement without a factor or a term, and with a factor more."""
    text = place.text
    for slot in slots(place):
        for name in place.upstream:
            message = f"This is only the local derivative: the upstream gradient {name} is missing."
            yield place.replaced("HG108", message, slot, f"{text.factor(slot)} * {name}")
    for node in place.nodes:
        if not isinstance(node, ast.BinOp):
            continue
        sides = ((node.left, node.right), (node.right, node.left))
        for kept, gone in sides:
            was = text.segment(gone)
            if isinstance(node.op, ast.Mult | ast.Div):
                if isinstance(node.op, ast.Div) and kept is node.right:
                    continue
                code = "HG103" if isinstance(gone, ast.Constant) else "HG105"
                message = f"The factor {was} does not belong here."
            elif isinstance(node.op, ast.Add | ast.Sub):
                code, message = "HG140", f"The term {was} does not belong here."
            else:
                continue
            yield place.replaced(code, message, node, text.segment(kept))
    whole = slots(place)
    inner = [n for n in _products(place) if not any(n is slot for slot in whole)]
    for slot in (*whole, *inner):
        for name in (*place.names[:MOST_NAMES], "2", "0.5", "3"):
            code = "HG103" if name[0].isdigit() else "HG105"
            message = f"The factor {name} is missing."
            yield place.replaced(code, message, slot, f"{name} * {text.factor(slot)}")
            if code == "HG105":
                message = f"It has to be divided by {name}."
                yield place.replaced(code, message, slot, f"{text.factor(slot)} / {name}")
    for slot in slots(place):
        for name in place.names[:MOST_NAMES]:
            for factor in (f"(1 - {name})", f"(1 - {name}**2)"):
                message = f"The factor {factor} is missing."
                yield place.replaced("HG109", message, slot, f"{text.factor(slot)} * {factor}")


def _products(place: Place) -> list[ast.expr]:
    """Return the terms of sums, and other operands of operators."""
    parents = ((n, place.text.parent(n)) for n in place.nodes)
    return [
        n
        for n, parent in parents
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub)
    ]


def _masks(place: Place) -> Iterator[Edit]:
    """Yield the statement with a comparison turned round, or another function."""
    text = place.text
    for node in place.nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign = _FLIPS.get(type(node.ops[0]))
            if sign is not None:
                left, right = text.segment(node.left), text.segment(node.comparators[0])
                message = f"The comparison {text.segment(node)} is the wrong way round."
                yield place.replaced("HG109", message, node, f"{left} {sign} {right}")
        if isinstance(node, ast.IfExp):
            body, other = text.segment(node.body), text.segment(node.orelse)
            new = f"{other} if {text.segment(node.test)} else {body}"
            yield place.replaced("HG109", "The two cases are exchanged.", node, new)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in SWAPS:
                was = text.segment(node.func)
                new = was[: len(was) - len(name)] + SWAPS[name]
                message = f"The local derivative contains {new}, not {was}."
                yield place.replaced("HG109", message, node.func, new)
            if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
                message = (
                    f"{text.segment(node)} is used where {text.segment(node.args[0])} belongs."
                )
                yield place.replaced("HG107", message, node, text.segment(node.args[0]))
    for atom in _atoms(place):
        for function in ("math.exp", "np.exp"):
            if function.split(".")[0] in place.skip:
                was = text.segment(atom)
                message = f"The local derivative contains {function}({was}), not {was}."
                yield place.replaced("HG109", message, atom, f"{function}({was})")
    for slot in slots(place):
        for name in place.names[:MOST_NAMES] if isinstance(slot, ast.Constant) else ():
            for new in (name, *(f"{name} * {upstream}" for upstream in place.upstream[:3])):
                message = f"The derivative is {new} here, not {text.segment(slot)}."
                yield place.replaced("HG109", message, slot, new)
