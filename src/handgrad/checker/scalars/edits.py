"""Changes of one statement of a rule, each with the cause that it would correct.

Codes and names are those of explain/causes.
"""

import ast
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from handgrad.checker.explain.search.edits import Text
from handgrad.checker.scalars.definitions import Part

SIMPLE = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr
SWAPS = {"sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh", "exp": "log", "log": "exp"}
_SIGNS = {ast.Mult: "*", ast.Div: "/", ast.Add: "+", ast.Sub: "-", ast.Pow: "**"}
_FLIPS = {ast.Gt: "<", ast.Lt: ">", ast.GtE: "<=", ast.LtE: ">="}
MOST_NAMES = 12


@dataclass(frozen=True)
class Edit:
    """A changed text of a part. `first` and `last` are the lines of the statement in it."""

    code: str
    message: str
    text: str
    first: int
    last: int
    adds: bool = False
    """Whether the statement is a new one, below the line before it."""
    moves: int | None = None
    """The line below which the statement belongs, if only its place is wrong."""

    column: int = 0
    """Where the statement begins in its first line."""

    @property
    def line(self) -> str:
        """The changed statement, without its indentation."""
        lines = self.text.split("\n")[self.first - 1 : self.last]
        lines[0] = " " * self.column + lines[0][self.column :]
        return textwrap.dedent("\n".join(lines)).strip()


@dataclass
class Place:
    """One statement to change. `value` and `reader` are the engine's attributes of a node."""

    part: Part
    statement: ast.stmt
    lines: frozenset[int]
    """The lines of the part that may be changed."""
    value: str
    reader: str
    skip: frozenset[str] = field(default_factory=frozenset)
    """Names of classes, functions and modules: no operands."""

    @property
    def text(self) -> Text:
        return self.part.edits

    @cached_property
    def roots(self) -> list[ast.expr]:
        """The expressions that the statement itself contains."""
        node = self.statement
        if isinstance(node, SIMPLE):
            return [node.value] if node.value is not None else []
        if isinstance(node, ast.If | ast.While):
            return [node.test]
        return [node.iter] if isinstance(node, ast.For) else []

    @cached_property
    def nodes(self) -> list[ast.expr]:
        """The expressions in the lines that may be changed, from the outside to the inside."""
        found = [n for root in self.roots for n in ast.walk(root) if isinstance(n, ast.expr)]
        return [n for n in found if self._is_near(n)]

    def _is_near(self, node: ast.expr) -> bool:
        last = node.end_lineno or node.lineno
        return any(node.lineno <= line <= last for line in self.lines)

    @cached_property
    def function(self) -> ast.AST:
        """The outermost function around the statement."""
        node: ast.AST = self.statement
        found: ast.AST = self.statement
        while (parent := self.text.parent(node)) is not None:
            if isinstance(parent, ast.FunctionDef):
                found = parent
            node = parent
        return found

    @cached_property
    def names(self) -> list[str]:
        """The operands within the function, as text: names, and attributes of names."""
        found: dict[str, None] = {}
        for node in ast.walk(self.function):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in self.skip or self._is_called(node):
                    continue
                if node.attr in (self.value, self.reader):
                    owner = node.value.id
                    found.update({f"{owner}.{a}": None for a in (self.value, self.reader) if a})
                elif isinstance(node.ctx, ast.Load):
                    found[f"{node.value.id}.{node.attr}"] = None
            elif isinstance(node, ast.Name) and node.id not in self.skip:
                if not isinstance(self.text.parent(node), ast.Attribute) and not self._is_called(
                    node
                ):
                    found[node.id] = None
            elif isinstance(node, ast.arg) and node.arg not in ("self", "cls", "ctx"):
                found[node.arg] = None
        found.update({name: None for name in self._saved()})
        left_out = self.targets | self.owners
        return [name for name in found if name not in left_out][: 2 * MOST_NAMES]

    @cached_property
    def owners(self) -> set[str]:
        """The names of nodes: they have the attributes of a value or a gradient."""
        return {
            n.value.id
            for n in ast.walk(self.function)
            if isinstance(n, ast.Attribute)
            and isinstance(n.value, ast.Name)
            and n.attr in (self.value, self.reader)
        } | {"self"}

    @cached_property
    def targets(self) -> set[str]:
        """The gradients that the function sets."""
        found: set[str] = set()
        for node in ast.walk(self.function):
            if isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(self.text.segment(t) for t in targets if isinstance(t, ast.Attribute))
        return found if self.reader else set()

    def _saved(self) -> list[str]:
        """Return what another method has saved for this one: `self.out`, `ctx.s`."""
        args = getattr(self.function, "args", None)
        owner = args.args[0].arg if args is not None and args.args else ""
        family = self.text.parent(self.function)
        if not isinstance(family, ast.ClassDef) or not owner:
            return []
        stored = [
            n
            for n in ast.walk(family)
            if isinstance(n, ast.Attribute)
            and isinstance(n.ctx, ast.Store)
            and isinstance(n.value, ast.Name)
            and n.value.id == owner
        ]
        return [f"{owner}.{n.attr}" for n in stored][:MOST_NAMES]

    def others(self, was: str) -> list[str]:
        """Return what may stand in the place of an operand, the most similar first."""
        attribute = was.partition(".")[2]
        similar = sorted(self.names, key=lambda n: n.partition(".")[2] != attribute)
        return [name for name in similar if name != was][:MOST_NAMES]

    def _is_called(self, node: ast.AST) -> bool:
        parent = self.text.parent(node)
        return isinstance(parent, ast.Call) and parent.func is node

    @cached_property
    def upstream(self) -> list[str]:
        """The names of the upstream gradient: `out.grad`, or what a backward function takes."""
        owners = [n.value.id for n in ast.walk(self.function) if isinstance(n, ast.Attribute)
                  and isinstance(n.value, ast.Name) and n.value.id not in self.skip]
        found = [n for n in self.names if self.reader and n.endswith(f".{self.reader}")]
        found += [f"{owner}.{self.reader}" for owner in owners if self.reader]
        found = [name for name in found if name not in self.targets]
        inner = [f for f in ast.walk(self.function) if isinstance(f, ast.Lambda | ast.FunctionDef)]
        for function in inner:
            if isinstance(function, ast.Lambda) or "back" in function.name or "grad" in function.name:
                found += [a.arg for a in function.args.args if a.arg not in ("self", "ctx", "cls")]
        return list(dict.fromkeys(found))

    def edit(self, code: str, message: str, text: str) -> Edit:
        more = text.count("\n") - self.part.text.count("\n")
        first, column = self.statement.lineno, self.statement.col_offset
        simple = isinstance(self.statement, SIMPLE)
        last = (self.statement.end_lineno or first) if simple else first
        if last > first and not more:  # of a long statement, the lines that change
            lines = zip(self.part.text.split("\n"), text.split("\n"), strict=True)
            changed = [n for n, (was, now) in enumerate(lines, 1) if was != now]
            first, last, column = min(changed), max(changed), 0
        return Edit(code, message, text, first, last + more, column=column)

    def replaced(self, code: str, message: str, node: ast.AST, new: str) -> Edit:
        return self.edit(code, message, self.text.replace(node, new))


def edits(place: Place) -> Iterator[Edit]:
    """Yield the changes of a statement, the likeliest first."""
    for rule in (_targets, _exchanged, _signs, _numbers, _names, _operators, _factors, _masks, _order):
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
        if place._is_called(node):
            continue
        inner = isinstance(place.text.parent(node), ast.Attribute)
        if isinstance(node, ast.Name) and not inner:
            if node.id not in place.skip | place.owners:
                yield node
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id not in place.skip:
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
            exponent = text.factor(node.right)
            for new in (f"{exponent} - 1", f"{exponent} + 1"):
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
                message = f"{text.segment(node)} is used where {text.segment(node.args[0])} belongs."
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


def _order(place: Place) -> Iterator[Edit]:
    """Yield a loop over the nodes from the other end."""
    node, text = place.statement, place.text
    message = "The loop visits the nodes in the wrong order: a node comes before its consumers."
    for call in place.nodes:
        name = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else ""
        if isinstance(call, ast.Call) and name in ("pop", "popleft"):
            owner = text.segment(call.func)[: -len(name)]
            for new in ("pop()", "popleft()", "pop(0)"):
                yield place.replaced("HG180", message, call, owner + new)
    if not isinstance(node, ast.For):
        return
    was = text.segment(node.iter)
    if isinstance(node.iter, ast.Call) and getattr(node.iter.func, "id", "") == "reversed":
        yield place.replaced("HG180", message, node.iter, text.segment(node.iter.args[0]))
    elif isinstance(node.iter, ast.Subscript) and was.replace(" ", "").endswith("[::-1]"):
        yield place.replaced("HG180", message, node.iter, text.segment(node.iter.value))
    else:
        yield place.replaced("HG180", message, node.iter, f"reversed({was})")


def slots(place: Place) -> Sequence[ast.expr]:
    """Return the expressions that may be a whole local derivative or contribution."""
    found: list[ast.expr] = []
    for node in place.nodes:
        parent = place.text.parent(node)
        whole = any(node is root for root in place.roots) and isinstance(place.statement, SIMPLE)
        element = isinstance(parent, ast.Tuple | ast.List | ast.keyword | ast.Lambda | ast.Dict)
        branch = isinstance(parent, ast.IfExp) and node is not parent.test
        if isinstance(node, ast.Tuple | ast.List | ast.Lambda | ast.Dict):
            continue
        if whole or element or branch:
            found.append(node)
    return found


def moved(place: Place) -> Iterator[Edit]:
    """Yield the statement below the loop that follows it, and above the one before it."""
    node, lines = place.statement, place.part.text.split("\n")
    parent = place.text.parent(node)
    body = next((b for b in _bodies(parent) if node in b), [])
    at = body.index(node) if body else 0
    first, last = node.lineno, node.end_lineno or node.lineno
    mine = lines[first - 1 : last]
    if body and at + 1 < len(body) and isinstance(body[at + 1], ast.For | ast.While):
        loop = body[at + 1]
        end = loop.end_lineno or loop.lineno
        text = [*lines[: first - 1], *lines[last:end], *mine, *lines[end:]]
        message = f"This belongs below the loop on line {place.part.place(loop.lineno).line}: {LATER}"
        where = end - len(mine) + 1
        yield Edit("HG180", message, "\n".join(text), where, where + len(mine) - 1, moves=end)


LATER = "a node comes after the nodes that it was computed from."


def _bodies(node: ast.AST | None) -> list[list[ast.stmt]]:
    return [b for b in (getattr(node, "body", None), getattr(node, "orelse", None)) if isinstance(b, list)]
