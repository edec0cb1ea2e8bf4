"""Names for constants: n for 32, from the sizes and scalars of the forward pass."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from handgrad.checker.closeness import CONSTANTS, same_constant
from handgrad.checker.explain.search.edits import number, references
from handgrad.checker.explain.search.shares import forward_lines, forward_ops, op_name
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.trace import Bind

FORMS: tuple[tuple[str, str, Callable[[float], float]], ...] = (
    ("{}", "{}", lambda n: n),
    ("{} - 1", "({} - 1)", lambda n: n - 1),
    ("{}**0.5", "{}**0.5", lambda n: n**0.5),
    ("{}**2", "{}**2", lambda n: n**2),
    ("{0} / ({0} - 1)", "({0} / ({0} - 1))", lambda n: n / (n - 1)),
    ("({0} - 1) / {0}", "(({0} - 1) / {0})", lambda n: (n - 1) / n),
    ("{} + 1", "({} + 1)", lambda n: n + 1),
)
"""How a constant comes of a count: alone, as a factor in a product, as a number."""
SMALL = 4
"""Up to this, a number is more often the number than a size."""
_WHERE = ("rows", "columns")


@dataclass(frozen=True)
class Count:
    """A number, its name in the user's scope, and a description of what it counts."""

    value: float
    name: str
    what: str
    taken: bool
    """Whether the forward takes a mean over it."""


@dataclass(frozen=True)
class Constant:
    """A factor: `text` alone, `factor` inside a product; `over` if it is the reciprocal."""

    text: str
    factor: str
    over: bool
    count: Count

    @property
    def spoken(self) -> str:
        """Return `n = 32 (the rows of logits)`, or `1 / n, where n = 32 (the rows of logits)`."""
        plain = not self.over and self.text == self.count.name
        if self.text == number(self.count.value):
            return fraction(1 / self.count.value if self.over else self.count.value)
        what = f" ({self.count.what})" if self.count.what else ""
        if self.is_number:
            definition = f"{self.count.name} is {self.count.what}" if what else ""
        else:
            definition = f"{self.count.name} = {number(self.count.value)}{what}"
        if plain:
            return definition
        text = f"1 / {self.factor}" if self.over else self.text
        return f"{text}, where {definition}" if definition else text

    @property
    def is_number(self) -> bool:
        """Whether it has no name, only digits."""
        return self.count.name == number(self.count.value)

    @property
    def undone(self) -> str:
        """The template that removes the factor from a value `{}` that is too large by it."""
        return f"{{}} * {self.factor}" if self.over else f"{{}} / {self.factor}"


def named(suspect: Suspect, constant: float) -> Iterator[Constant]:
    """Yield the names of a constant factor, those that the forward pass counts first."""
    yield from sorted(_matching(suspect, constant), key=lambda c: (_rank(c), c.over))


def factors(suspect: Suspect, value: float) -> Iterator[tuple[str, str]]:
    """Yield templates that scale a term `{}` by a number, with the name of the number.

    2 -> ("2 * {}", "2"); 1/32 -> ("{} / n", "1 / n") where n is 32.
    """
    for constant in named(suspect, value) if abs(value) != 1 else ():
        if constant.over:
            yield f"{{}} / {constant.factor}", f"1 / {constant.factor}"
        else:  # n / (n - 1) * x needs no parentheses more
            factor = constant.text if " / " in constant.text else constant.factor
            yield f"{factor} * {{}}", constant.text


def called(suspect: Suspect, value: float) -> tuple[str, bool]:
    """Return the name of a number here (n, 1 / n) or its digits, and whether it has a name."""
    sign = "-" if value < 0 else ""
    name = next((name for _, name in factors(suspect, abs(value))), None)
    return (number(value), False) if name is None else (f"{sign}{name}", True)


def _rank(found: Constant) -> int:
    """Rank names before expressions of names before digits; but a 2 is a plain 2 first."""
    plain, known = found.text == found.count.name, not found.is_number
    if plain:
        small = found.count.value <= SMALL and found.count.value.is_integer()
        if small and not found.count.taken:
            return 1 if found.is_number else 2
        return 0 if known else 1 if small else 9
    return 3 if known else 4


def _matching(suspect: Suspect, constant: float) -> Iterator[Constant]:
    for whole in range(2, SMALL + 1):
        for over in (False, True):
            if same_constant(constant, 1 / whole if over else whole):
                plain = Count(float(whole), str(whole), "", False)
                yield Constant(plain.name, plain.name, over, plain)
    for text, factor, form in FORMS:
        for count in counts(suspect):
            bare = count.name == number(count.value)
            if (not count.what and text != "{}") or (bare and text not in ("{}", "{}**0.5")):
                continue  # of a number of the forward's that counts nothing
            try:
                value = form(count.value)
            except (ZeroDivisionError, OverflowError):
                continue
            if isinstance(value, complex) or not value or value == 1:
                continue
            for over in (False, True):
                if same_constant(constant, 1 / value if over else value):
                    name = count.name
                    yield Constant(text.format(name), factor.format(name), over, count)


def fraction(value: float) -> str:
    """Return a number as a fraction where it is a simple one: 1 / 3 for 0.333333."""
    for top in (1, 2, 3):
        if abs(top / value - round(top / value)) < CONSTANTS and round(top / value) > top:
            return f"{top} / {round(top / value)}"
    return number(value)


def counts(suspect: Suspect) -> list[Count]:
    """Return the sizes and scalars of the forward pass around this node, with their names."""
    found: dict[tuple[float, str], Count] = {}
    taken, sizes = list(_taken(suspect)), list(_sizes(suspect))
    what_of = {value: what for value, what in reversed([*taken, *sizes]) if what}
    for value, what in [*taken, *sizes]:
        for name in _names(suspect, value):
            mean = bool(what) and (value, what) in taken
            count = Count(value, name, what_of.get(value, ""), mean)
            found.setdefault((value, name), count)
    return list(found.values())


def named_counts(suspect: Suspect) -> list[Count]:
    """Return those that count something and have a name."""
    return [c for c in counts(suspect) if c.what and c.name != number(c.value)]


def count_named(suspect: Suspect, value: int) -> str:
    """Return a count by its name, or in digits; inside a function, as a size of what it has."""
    if suspect.frame is not None:
        sizes = (
            (n, v.shape) for n, v in suspect.frame.items() if isinstance(v, Tensor) and v.dim()
        )
        return next((f"len({name})" for name, size in sizes if size[0] == value), str(value))
    return next((c.name for c in named_counts(suspect) if c.value == value), str(value))


def _taken(suspect: Suspect) -> Iterator[tuple[float, str]]:
    """Yield the scalars and counts that the forward pass applies between this node and the next."""
    for op in forward_ops(suspect):
        name = op_name(op).strip("_")
        given, made = next(iter(op.inputs), None), next(iter(op.outputs), None)
        if name in ("mean", "var", "std") and isinstance(given, Tensor) and made is not None:
            each = given.numel() / max(1, made.numel())
            yield each, _size_of(suspect, given, each)
        elif name in ("cross_entropy", "nll_loss") and given is not None and given.ndim > 1:
            each = given.numel() / given.shape[1]
            yield each, _size_of(suspect, given, each)
        elif "loss" in name and given is not None:
            yield float(given.numel()), _size_of(suspect, given, given.numel())
        elif name in ("mul", "div", "truediv", "pow", "rmul", "multiply", "divide"):
            scalars = [a for a in op.args if isinstance(a, int | float) and type(a) is not bool]
            yield from ((abs(float(s)), "") for s in scalars if s not in (0, 1, -1))
        elif name in ("square", "sqrt", "rsqrt"):
            yield 2.0, ""


def _sizes(suspect: Suspect) -> Iterator[tuple[float, str]]:
    """Yield the sizes of this node and of its consumers."""
    nodes = _nodes(suspect)
    for node in nodes:
        for i, size in enumerate(node.value.shape):
            if size > 1:
                yield float(size), _dimension(node.name, i, node.value.ndim)
    for node in nodes:
        if node.value.ndim > 1:
            yield float(node.value.numel()), f"the elements of {node.name}"


def _nodes(suspect: Suspect) -> list[Bind]:
    """Return this node and its consumers."""
    names = [part.consumer for part in suspect.parts]
    return [suspect.node, *(suspect.names[name] for name in names if name in suspect.names)]


def _size_of(suspect: Suspect, given: Tensor, each: float) -> str:
    """Describe which size of an operation's input it is, if the input has a name."""
    name = next((b.name for b in suspect.names.values() if b.value is given), suspect.node.name)
    value = given if name != suspect.node.name else suspect.node.value
    for i, size in enumerate(value.shape):
        if size == each:
            return _dimension(name, i, value.ndim)
    return f"the elements of {name}" if value.numel() == each else ""


def _dimension(name: str, i: int, rank: int) -> str:
    if rank == 1:
        return f"the elements of {name}"
    return f"the {_WHERE[i]} of {name}" if rank == 2 else f"dimension {i} of {name}"


def _names(suspect: Suspect, value: float) -> list[str]:
    """Return the user's names for a number, those used in the backward pass first."""
    names, lines = suspect.scope, _lines(suspect)
    candidates = [n for n in names if _is(names.given(n), value) and not n.startswith("_")]
    uses = {n: len(re.findall(rf"\b{re.escape(n)}\b", lines)) for n in candidates}
    order = sorted(candidates, key=lambda n: -uses[n])
    if value <= SMALL and value.is_integer():
        return [number(value), *order]
    return order or shapes(suspect, value) or _written(suspect, value) or [number(value)]


def _written(suspect: Suspect, value: float) -> list[str]:
    """Return how the forward lines around this node write a fraction: `(1 - p)`."""
    if value == int(value):
        return []
    nodes = [node for line in forward_lines(suspect) for node in ast.walk(ast.parse(line))]
    plain = (ast.BinOp, ast.Name, ast.Constant, ast.operator, ast.expr_context)
    texts = [f"({ast.unparse(node)})" for node in nodes if isinstance(node, ast.BinOp)
             and all(isinstance(part, plain) for part in ast.walk(node))]  # fmt: skip
    return [text for text in texts if _is(suspect.value(text), value)][:1]


def _lines(suspect: Suspect) -> str:
    """Return the lines in which to count names: this one, forward lines around it, others."""
    texts = {b.statement.text for h in suspect.backward.hands.values() for b in h.binds}
    forward = forward_lines(suspect)
    return "\n".join([suspect.statement.text, *forward, *forward, *texts])


def _is(found: object, value: float) -> bool:
    whole = isinstance(found, int | float) and not isinstance(found, bool)
    return whole and same_constant(float(found), value)  # type: ignore[arg-type]


def shapes(suspect: Suspect, value: float) -> list[str]:
    """Return an expression of a tensor's size for this number: `x.shape[0]`.

    The tensor is the node or one of its consumers, or else one that the statement reads.
    """
    names = [node.name for node in _nodes(suspect)]
    if suspect.text is not None:
        names += [ast.unparse(node) for node in references(suspect.text.tree)]
    tensors = {name: suspect.value(name) for name in dict.fromkeys(names)}
    known = {name: t for name, t in tensors.items() if isinstance(t, Tensor) and t.dim()}
    found = [f"{name}.shape[{i}]" for name, tensor in known.items()
             for i, size in enumerate(tensor.shape) if size == value]  # fmt: skip
    return found[:1] or [f"{n}.numel()" for n, t in known.items() if t.numel() == value][:1]
