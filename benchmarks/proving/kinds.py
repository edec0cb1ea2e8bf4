"""KINDS: name -> a function that yields the wrong texts of a backward line.

"" stands for a line that is left out. generate.py finds out whether a text runs and changes
anything.
"""

import ast
from collections.abc import Callable, Iterator

from benchmarks.proving.lines import Line, calls, products, quotients, with_part, with_value


def missing_branch(line: Line) -> Iterator[str]:
    """A contribution is missing: `+=` left out or written as `=`, or one of two terms left out."""
    if isinstance(line.node, ast.AugAssign):
        yield ""
        yield f"{line.target} = {ast.unparse(line.value)}"
    elif not isinstance(line.node, ast.Assign) or isinstance(line.node.targets[0], ast.Subscript):
        yield ""
    for part in line.within(ast.BinOp):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub):
            yield with_part(line, part, part.left)
            yield with_part(line, part, part.right)
    for part in line.within(ast.Call):
        for keyword in part.keywords if isinstance(part, ast.Call) else ():
            if keyword.arg == "accumulate":
                yield with_part(line, keyword.value, "False")


def sign(line: Line) -> Iterator[str]:
    """A minus too many, a minus too few, or a minus for a plus."""
    yield from with_value(line, "-")
    for part in line.within(ast.UnaryOp):
        assert isinstance(part, ast.UnaryOp)
        yield with_part(line, part, part.operand)
    for part in line.within(ast.BinOp):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub):
            op = ast.Sub() if isinstance(part.op, ast.Add) else ast.Add()
            yield with_part(line, part, ast.BinOp(part.left, op, part.right))
    for argument in _arguments(line):
        yield with_part(line, argument, f"-{ast.unparse(argument)}")


def factor_two(line: Line) -> Iterator[str]:
    """Twice or half as much, or a number missing from a product."""
    yield from with_value(line, "2 * ")
    yield from with_value(line, "0.5 * ")
    for product, left, right in products(line):
        if not any(isinstance(part, ast.Name) for part in ast.walk(left)):
            yield with_part(line, product, right)
    for argument in _arguments(line):
        yield with_part(line, argument, f"2 * {ast.unparse(argument)}")


def n_for_n_minus_one(line: Line) -> Iterator[str]:
    """Bessel's correction in the wrong place, or missing."""
    corrected: set[int] = set()
    for part in line.within(ast.BinOp):
        if isinstance(part, ast.BinOp) and ast.unparse(part) == "n - 1":
            corrected.add(id(part.left))
            yield with_part(line, part, "n")
    within_calls = {id(part) for call in line.within(ast.Call) for part in ast.walk(call)}
    for part in line.within(ast.Name):
        assert isinstance(part, ast.Name)
        if part.id == "n" and id(part) not in corrected | within_calls:
            yield with_part(line, part, "(n - 1)")


def forward_for_gradient(line: Line) -> Iterator[str]:
    """The forward value in place of its gradient: a missing d."""
    for part in line.within(ast.Name):
        name = line.gradient(part)
        if name is not None:
            yield with_part(line, part, name[1:])


def wrong_operand(line: Line) -> Iterator[str]:
    """A neighbour of the same shape: the tensor named just before or after it, or its gradient."""
    for part in line.within(ast.Name):
        assert isinstance(part, ast.Name)
        if part.id not in line.shapes:
            continue
        gradient = line.gradient(part) is not None
        alike = [
            name
            for name, shape in line.shapes.items()
            if shape == line.shapes[part.id] and (name in line.earlier) == gradient
            and (not name.startswith("d") or gradient)
        ]  # fmt: skip
        at = alike.index(part.id)
        for name in alike[max(at - 1, 0) : at + 2]:
            if name != part.id:
                yield with_part(line, part, name)
        if f"d{part.id}" in line.earlier:
            yield with_part(line, part, f"d{part.id}")


def missing_sum(line: Line) -> Iterator[str]:
    """A missing sum over a broadcast dimension."""
    for call, tensor in calls(line, "sum"):
        yield with_part(line, call, tensor)


def extra_sum(line: Line) -> Iterator[str]:
    """A sum over a dimension that was not broadcast."""
    yield from with_value(line, "", ".sum(0, keepdim=True)")
    yield from with_value(line, "", ".sum(1, keepdim=True)")
    for part in line.within(ast.Name):
        name = line.gradient(part)
        if name is not None and not isinstance(line.node, ast.Expr):
            yield with_part(line, part, f"{name}.sum(0, keepdim=True)")
            yield with_part(line, part, f"{name}.sum(1, keepdim=True)")


def wrong_axis(line: Line) -> Iterator[str]:
    """A sum or an argmax along the other dimension."""
    for method in ("sum", "max"):
        for call, _ in calls(line, method):
            axis = call.args[0]
            yield with_part(line, axis, str(1 - int(ast.unparse(axis))))


def no_keepdim(line: Line) -> Iterator[str]:
    """keepdim missing, where broadcasting hides it."""
    for call, tensor in calls(line, "sum"):
        if call.keywords:
            yield with_part(line, call, f"({ast.unparse(tensor)}).sum({ast.unparse(call.args[0])})")


def mean_for_sum(line: Line) -> Iterator[str]:
    """A mean in place of a sum."""
    for call, _ in calls(line, "sum"):
        assert isinstance(call.func, ast.Attribute)
        yield with_part(line, call.func, f"({ast.unparse(call.func.value)}).mean")


def sum_before_multiply(line: Line) -> Iterator[str]:
    """(a * b).sum() as a.sum() * b.sum(), or with one of the two summed."""
    for call, tensor in calls(line, "sum"):
        if not isinstance(tensor, ast.BinOp) or not isinstance(tensor.op, ast.Mult):
            continue
        how = ast.unparse(call)[ast.unparse(call).rindex(".sum(") :]
        left, right = f"({ast.unparse(tensor.left)})", f"({ast.unparse(tensor.right)})"
        yield with_part(line, call, f"{left}{how} * {right}{how}")
        yield with_part(line, call, f"{left} * {right}{how}")
        yield with_part(line, call, f"{left}{how} * {right}")


def matmul(line: Line) -> Iterator[str]:
    """A transpose too many or too few, swapped operands, or an elementwise product."""
    for part in line.within(ast.BinOp):
        if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.MatMult):
            continue
        left, right = ast.unparse(part.left), ast.unparse(part.right)
        yield with_part(line, part, f"{left} * {right}")
        yield with_part(line, part, f"{right} @ {left}")
        yield with_part(line, part, f"{_transposed(left)} @ {right}")
        yield with_part(line, part, f"{left} @ {_transposed(right)}")
        yield with_part(line, part, f"({left} @ {right}).T")


def exponent(line: Line) -> Iterator[str]:
    """Mistakes in the power rule: a wrong exponent or a missing factor."""
    for part in line.within(ast.BinOp):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
            power = float(ast.unparse(part.right))
            for other in (power + 1, power - 1):
                if other:
                    yield with_part(line, part.right, f"{other:g}")
            yield with_part(line, part, part.left)


def upstream_missing(line: Line) -> Iterator[str]:
    """The local derivative without the upstream gradient."""
    for product, left, right in products(line):
        for factor, other in ((left, right), (right, left)):
            if line.gradient(factor) is not None:
                yield with_part(line, product, other)
    for _, gradient in quotients(line):
        yield with_part(line, gradient, "1")


def local_missing(line: Line) -> Iterator[str]:
    """A copy of the upstream gradient, without the local derivative. (An alias is another kind.)"""
    for product, left, right in products(line):
        for factor in (left, right):
            if line.gradient(factor) is not None:
                yield with_part(line, product, f"{ast.unparse(factor)}.clone()")
    for quotient, gradient in quotients(line):
        yield with_part(line, quotient, f"{ast.unparse(gradient)}.clone()")


def alias(line: Line) -> Iterator[str]:
    """The upstream gradient's memory, which this line or a later one writes to."""
    for call, tensor in calls(line, "clone"):
        if line.gradient(tensor) is not None:
            yield with_part(line, call, tensor)
    if not isinstance(line.node, ast.Assign) or not isinstance(line.value, ast.BinOp):
        return
    sides = (line.value.left, line.value.right)
    for factor, other in (sides, sides[::-1]):
        name = line.gradient(factor)
        if name is None or line.shapes[name] != line.shapes[line.target]:
            continue
        if isinstance(line.value.op, ast.Mult):
            yield f"{line.target} = {name}; {line.target} *= {ast.unparse(other)}"
        elif isinstance(line.value.op, ast.Div) and factor is line.value.left:
            yield f"{line.target} = {name}; {line.target} /= {ast.unparse(other)}"


def per_mille(line: Line) -> Iterator[str]:
    """0.1 % too much or too little."""
    yield from with_value(line, "1.001 * ")
    yield from with_value(line, "0.999 * ")
    for argument in _arguments(line):
        yield with_part(line, argument, f"1.001 * {ast.unparse(argument)}")


def _arguments(line: Line) -> Iterator[ast.expr]:
    """Yield the gradients among the arguments of an in-place call."""
    if isinstance(line.node, ast.Expr):
        yield from (part for part in line.within(ast.Name) if line.gradient(part) is not None
                    and line.gradient(part) != line.target)  # fmt: skip


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


KINDS: dict[str, Callable[[Line], Iterator[str]]] = {
    "n for n - 1": n_for_n_minus_one,
    "missing branch": missing_branch,
    "sign": sign,
    "factor 2": factor_two,
    "forward value for gradient": forward_for_gradient,
    "wrong operand": wrong_operand,
    "missing sum": missing_sum,
    "extra sum": extra_sum,
    "sum along the other axis": wrong_axis,
    "keepdim missing": no_keepdim,
    "mean for sum": mean_for_sum,
    "sum before multiply": sum_before_multiply,
    "transposed or elementwise for matmul": matmul,
    "exponent": exponent,
    "upstream missing": upstream_missing,
    "local derivative missing": local_missing,
    "alias written to": alias,
    "0.1 % off": per_mille,
}
