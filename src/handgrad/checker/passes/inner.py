"""Results of forward operations that have no name: `x @ W` in `h = torch.tanh(x @ W + b)`."""

import ast
from collections.abc import Container, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from torch import Size

from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.passes.truth import Pass, differentiated
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op, key_of
from handgrad.checker.records import Place

MOST = 400
"""A pass with more unnamed results (a loop over elements) is not searched for them."""
MOST_BYTES = 64 * 2**20
"""A pass that computes more than this is not differentiated a second time for them."""
_OPERATORS: Mapping[str, type] = {
    "matmul": ast.MatMult,
    "add": ast.Add,
    "sub": ast.Sub,
    "rsub": ast.Sub,
    "mul": ast.Mult,
    "div": ast.Div,
    "pow": ast.Pow,
    "neg": ast.USub,
}
_METHODS = {"dot": "matmul", "mm": "matmul", "bmm": "matmul", "multiply": "mul", "subtract": "sub",
            "divide": "div", "power": "pow"}  # fmt: skip
"""What torch and NumPy call these functions, and the function that is recorded."""


def with_inner(forward: Pass, shapes: Container[Size]) -> Pass | None:
    """Return the pass in which the unnamed results of these shapes are nodes too.

    None if there are none, or many, or if the pass is large and this would cost too much.

    Raises RuntimeError as `differentiated` does.
    """
    if forward.size > MOST_BYTES:
        return None
    unnamed = [bind for bind in _unnamed(forward) if bind.value.shape in shapes]
    if not 0 < len(unnamed) <= MOST:
        return None
    plain = ForwardPass(**{f.name: getattr(forward, f.name) for f in fields(ForwardPass)})
    whole = differentiated(replace(plain, events=_merged(forward, unnamed)))
    return replace(  # the gradients of some nodes are known in part, or times a factor
        whole,
        truth={**whole.truth, **forward.truth},
        parts={**whole.parts, **forward.parts},
        noise={**whole.noise, **forward.noise},
        autograd={**whole.autograd, **forward.autograd},
        parts_of=forward.parts_of,
    )


def adopted(forward: Pass, whole: Pass, nodes: list[Bind]) -> Pass:
    """Return the pass with these of the unnamed results of `whole` as nodes."""
    known = {b.index for b in nodes}

    def chosen(name: str) -> dict[int, Any]:
        more = {i: value for i, value in getattr(whole, name).items() if i in known}
        return {**getattr(forward, name), **more}

    return replace(
        forward,
        events=_merged(forward, nodes),
        truth=chosen("truth"),
        parts=chosen("parts"),
        noise=chosen("noise"),
        autograd=chosen("autograd"),
    )


def _merged(forward: ForwardPass, nodes: list[Bind]) -> list[Any]:
    """Return the events with the names that these nodes get, each after its operation."""
    return sorted([*forward.events, *nodes], key=lambda e: (e.index, type(e) is Bind))


def _unnamed(forward: Pass) -> Iterator[Bind]:
    named = {id(b.value) for b in forward.events if type(b) is Bind and b.kind != "param"}
    named |= {id(t) for t in forward.outputs}
    nowhere = Statement(Place(1), ""), -1
    seen: dict[tuple[int, str], int] = {}
    for event in forward.events:
        if type(event) is not Op:
            continue
        function, (statement, run) = getattr(event.func, "__name__", ""), event.ran_in or nowhere
        turn = seen[run, function] = seen.get((run, function), 0) + 1
        for value in event.outputs[:1]:
            is_new = id(value) not in named and value.is_floating_point() and not event.writes
            if is_new and key_of(value) not in forward.leaves:
                name = _expression(statement, function, turn)
                yield Bind(event.index, name, value, "assign", statement)


def _expression(statement: Statement, function: str, turn: int) -> str:
    """Return the part of the statement that calls the function for the `turn`-th time."""
    try:
        tree = ast.parse(statement.text)
    except SyntaxError:
        return f"{function}(...)"
    calls = [node for node in _inside_out(tree) if _is_call_of(node, function)]
    if len(calls) < turn:
        return f"{function}(...)"
    text = ast.unparse(calls[turn - 1])
    return text if isinstance(calls[turn - 1], ast.Call) else f"({text})"


def _inside_out(node: ast.AST) -> Iterator[ast.expr]:
    """Yield expressions in the order in which Python evaluates them, those in indices left out."""
    inside = ast.iter_child_nodes(node)
    for child in [node.value] if isinstance(node, ast.Subscript) else inside:  # no index, t + 1
        yield from _inside_out(child)
    if isinstance(node, ast.expr):
        yield node


def _is_call_of(node: ast.expr, function: str) -> bool:
    operator = _OPERATORS.get(function)
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return operator is not None and isinstance(node.op, operator)
    if isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return _METHODS.get(called, called) == function
    return False
