"""Verify the programs without the checker: by central differences, and by running them."""

import ast
import contextlib
import io
from typing import Any

import numpy as np
import torch

from benchmarks.strangers.table import Fault, Program

STEP = 1e-5  # of central differences in float64: truncation 1e-10, rounding 1e-11
CLOSE = 1e-5  # relative: far above the two, far below every fault
SEEN = 1e-3  # relative: a fault changes a gradient by at least this, hundreds of times the rounding


class _Nudge(ast.NodeTransformer):
    """Pass each value that is assigned to one target through `__nudge__`."""

    def __init__(self, target: str) -> None:
        self.target = target

    def visit_Assign(self, node: ast.Assign) -> Any:
        if ast.unparse(node.targets[0]) == self.target:
            call = ast.Name("__nudge__", ast.Load())
            node.value = ast.Call(call, [node.value], [])
        return node


class _Once:
    """Moves a value by a step along a direction, the first time that it is called.

    `key` is that of the entry to move, if the value is a list or a dictionary.
    """

    def __init__(self, key: str, move: np.ndarray[Any, Any]) -> None:
        self.key = key
        self.move = move
        self.done = False

    def __call__(self, value: Any) -> Any:
        if self.done:
            return value
        self.done = True
        if not self.key:
            return self._moved(value)
        key = ast.literal_eval(self.key)
        value = dict(value) if isinstance(value, dict) else list(value)
        value[key] = self._moved(value[key])
        return value

    def _moved(self, value: Any) -> Any:
        move = self.move.reshape(np.shape(value))
        if isinstance(value, torch.Tensor):
            return (value.detach() + torch.from_numpy(move)).requires_grad_(value.requires_grad)
        if isinstance(value, list):
            return (np.array(value) + move).tolist()
        return value + (move if isinstance(value, np.ndarray) else float(move))


def run(source: str, target: str = "", nudge: Any = None) -> dict[str, Any]:
    """Run a program in float64 and return its names; `nudge` changes what `target` is given."""
    tree = ast.parse(source)
    if target:
        tree = ast.fix_missing_locations(_Nudge(target).visit(tree))
    names: dict[str, Any] = {"__name__": "__main__", "__nudge__": nudge}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    np.random.seed(0)  # noqa: NPY002, what programs draw from
    torch.manual_seed(0)
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            exec(compile(tree, "program.py", "exec"), names)
    finally:
        torch.set_default_dtype(before)
    return names


def _array(value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    return np.array(value, dtype=np.float64)


def gradients(program: Program, source: str) -> list[Any]:
    """Return the gradients that `source` computes, as arrays; None for each if it raises."""
    try:
        names = run(source)
        values = [eval(hand, names) for hand in program.values()]
        return [_array(v) for v in values]
    except Exception:  # whatever a fault makes the program raise
        return [None for _ in program.values()]


def same(program: Program, source: str, within: float = CLOSE) -> bool:
    """Return whether `source` computes the same gradients as the correct program."""
    pairs = zip(gradients(program, program.source), gradients(program, source), strict=True)
    return all(_near(right, other, within) for right, other in pairs)


def _near(right: Any, other: Any, within: float) -> bool:
    if right is None or other is None or right.shape != other.shape:
        return False
    return bool(np.abs(right - other).max() <= within * np.abs(right).max())


def scaled(program: Program, source: str) -> bool:
    """Return whether `source` computes the correct program's gradients times one number."""
    right, other = gradients(program, program.source), gradients(program, source)
    if any(a is None or b is None or a.shape != b.shape for a, b in zip(right, other, strict=True)):
        return False
    factor = np.vdot(right[0], other[0]) / np.vdot(right[0], right[0])
    return all(_near(factor * a, b, CLOSE) for a, b in zip(right, other, strict=True))


def slopes(program: Program) -> list[str]:
    """Return one line for each gradient of the correct program that central differences refute."""
    source = program.source
    for line in program.still:
        name = line.split("=")[0].strip()
        old = next(t.strip() for t in source.splitlines() if t.strip().startswith(f"{name} ="))
        source = source.replace(old, line)
    found = []
    for target, hand in program.gradients:
        try:
            found.append(_slope(program, source, target, hand))
        except Exception as error:  # a slip in the table
            found.append(f"{program.name}: {target} {hand}: {error!r}")
    return [line for line in found if line]


def _slope(program: Program, source: str, target: str, hand: str) -> str:
    gradient = _array(eval(hand, run(source)))
    along = np.random.RandomState(1).randn(*gradient.shape)
    base, _, key = target.partition("[")

    def loss(step: float) -> float:
        nudge = _Once(key.rstrip("]"), np.asarray(step * along))
        after = run(source, base, nudge)
        if not nudge.done:
            raise ValueError(f"{program.name}: nothing is assigned to {base}")
        return float(_array(eval(program.loss, after)))

    slope, expected = (loss(STEP) - loss(-STEP)) / (2 * STEP), float((gradient * along).sum())
    if abs(slope - expected) <= CLOSE * max(abs(slope), abs(expected), 1e-3):
        return ""
    return f"{program.name}: {hand} gives {expected:.6g} where the slope is {slope:.6g}"


def is_fault(program: Program, fault: Fault) -> bool:
    """Return whether a fault changes a gradient by more than noise, or makes the program raise."""
    return not same(program, program.planted(fault), SEEN)
