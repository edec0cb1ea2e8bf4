"""What of a file is still to run once a training loop is recorded, and whether it is needed.

A file is left in the middle only if no line that can still run may compute a gradient by hand. In
doubt it runs to its end: the reader then waits, and nothing is lost.
"""

import ast
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from types import FrameType

from handgrad.checker.record.gradient_names import LIKELY, hand_names
from handgrad.checker.record.targets import HOOK
from handgrad.checker.records import Place

BACKWARD = re.compile(
    r"backward|backprop|bwd|bprop|grad|delta|(?<![a-z])bp(?![a-z])", re.IGNORECASE
)
"""Names of functions that compute gradients, and of gradients that do not begin with d."""
NO_GRADIENT = re.compile(r"no_grad|requires_grad|zero_grad|enable_grad")
ORDINARY = frozenset(
    """
    data dataset dataloader ddof decay deep default delimiter denom depth desc description
    dest dev device devs devices df diag dict diff digit digits dim dims dir dirname dist div
    do doc docs done dot down draw draws drop dropout dt dtype duration day days date gain gap
    gen generator get given go gpu graph grid ground group groups
    """.split()  # noqa: SIM905  # a list of 60 strings would be 60 lines
)
"""Words that the patterns of gradients' names match too."""
CELL_NAME = re.compile(r"<cell (\d+)>")
MAGIC = re.compile(r"^([ \t]*)(?:\w+[ \t]*=[ \t]*)?[%!?].*", re.MULTILINE)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Loop = ast.For | ast.AsyncFor | ast.While


class Rest:
    """A file's cells. `coming` are those that have not begun, in order; `pairs` as in Session."""

    def __init__(self, coming: Sequence[tuple[int | None, str]], pairs: Mapping[str, str]) -> None:
        self._coming = [(number, _plain(text)) for number, text in coming]
        self._pairs = pairs

    def to_run(self, cell: int | str | None) -> list[tuple[int | None, str]]:
        """Return the cells after `cell`; none for a script."""
        return [(n, text) for n, text in self._coming if isinstance(cell, int) and (n or 0) > cell]

    def needed(
        self,
        begun: Sequence[tuple[int | str | None, str]],
        loop: Place,
        stack: Iterable[Place],
        reached: set[Place],
    ) -> bool:
        """Tell whether a gradient by hand may be computed outside of the loop at `loop`.

        `begun`: the cells that ran or run, the current one last. `stack`: the lines of the file
        that are running, innermost first. `reached`: the statements that were recorded.
        """
        trees = [(cell, _parse(text)) for cell, text in begun]
        later = [_parse(text) for _, text in self.to_run(begun[-1][0])]
        everything = [*(tree for _, tree in trees), *later]
        names = {name for tree in everything for node in ast.walk(tree) for name in _bound(node)}
        hands = set(hand_names(names, self._pairs)) | set(self._pairs)
        pending = [*self._running(trees, loop, list(stack)), *((None, t.body) for t in later)]
        return any(
            _is_gradient(node, hands)
            for cell, statements in _with_called(pending, trees, later, loop)
            for statement in statements
            for node in _walk(statement, _line_of(loop, cell))
            if Place(getattr(node, "lineno", 0), cell) not in reached
        )

    @staticmethod
    def _running(
        trees: Sequence[tuple[int | str | None, ast.Module]], loop: Place, stack: Sequence[Place]
    ) -> Iterator[tuple[int | str | None, list[ast.stmt]]]:
        """Yield what can still run of the cell and of the functions on the stack."""
        for cell, tree in trees:
            for place in stack:
                if place.cell != cell:
                    continue
                inside = [
                    f for f in ast.walk(tree) if isinstance(f, _Function) and _spans(f, place)
                ]
                if inside:
                    yield cell, max(inside, key=lambda f: f.lineno).body
                else:
                    yield cell, [s for s in tree.body if (s.end_lineno or 0) >= place.line]


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the user's style
        return ast.parse(text)


def _plain(text: str) -> str:
    """Return the cell without magics and shell commands; "" if Python cannot parse the rest."""
    for plain in (text, MAGIC.sub(r"\1pass", text)):
        try:
            _parse(plain)
        except (SyntaxError, ValueError):
            continue
        return plain
    return ""  # such a cell fails in the run too


def _spans(node: ast.stmt, place: Place) -> bool:
    return node.lineno <= place.line <= (node.end_lineno or 0)


def _line_of(loop: Place, cell: int | str | None) -> int | None:
    return loop.line if loop.cell == cell else None


def _walk(node: ast.AST, left: int | None) -> Iterator[ast.AST]:
    """Yield the nodes that run with this one: no body of a definition, not the loop on `left`."""
    if isinstance(node, _Loop) and node.lineno == left:
        for statement in node.orelse:
            yield from _walk(statement, left)
        return
    yield node
    if not isinstance(node, _Function | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, left)


def _with_called(
    pending: list[tuple[int | str | None, list[ast.stmt]]],
    trees: Sequence[tuple[int | str | None, ast.Module]],
    later: Sequence[ast.Module],
    loop: Place,
) -> list[tuple[int | str | None, list[ast.stmt]]]:
    """Return `pending` with the bodies of the functions and classes whose names it reads."""
    defined: dict[str, list[tuple[int | str | None, ast.stmt]]] = {}
    for cell, tree in [*trees, *((None, tree) for tree in later)]:
        for node in ast.walk(tree):
            if isinstance(node, _Function | ast.ClassDef):
                defined.setdefault(node.name, []).append((cell, node))
    result, seen = list(pending), set[str]()
    for cell, statements in result:  # grows meanwhile
        parts = (n for s in statements for n in _walk(s, _line_of(loop, cell)))
        for name in {name for part in parts for name in _read(part)} - seen:
            seen.add(name)
            result += [(c, [node, *node.body]) for c, node in defined.get(name, ())]  # type: ignore[attr-defined]
    return result


def _read(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ClassDef):  # its methods are called through its instances
        yield from (part.name for part in node.body if isinstance(part, _Function))


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.arg):
        yield node.arg


def _is_gradient(node: ast.AST, hands: set[str]) -> bool:
    """Tell whether this node may compute, complete or compare a gradient by hand."""
    if isinstance(node, _Function):
        return bool(BACKWARD.search(NO_GRADIENT.sub("", node.name)))
    if isinstance(node, ast.AugAssign | ast.Subscript) and _stores(node):
        base = node.target if isinstance(node, ast.AugAssign) else node.value
        return any(_reads_as_gradient(name, hands) for name in _names(base))
    if isinstance(node, ast.Call) and any(isinstance(a, ast.Constant) for a in node.args):
        return any(isinstance(a, ast.Name) and a.id in hands for a in node.args)
    return any(_reads_as_gradient(name, hands) for name in _bound(node))


def _stores(node: ast.AugAssign | ast.Subscript) -> bool:
    return isinstance(node, ast.AugAssign) or isinstance(node.ctx, ast.Store)


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def _reads_as_gradient(name: str, hands: set[str]) -> bool:
    if name in hands:
        return True
    plain = NO_GRADIENT.sub("", name)
    base = "".join(takewhile(lambda c: c not in "_0123456789", plain.lstrip("_"))).lower()
    likely = LIKELY.fullmatch(plain) and base not in ORDINARY and plain not in ORDINARY
    return bool(likely or BACKWARD.search(plain))


def running(modules: Mapping[str, str]) -> Iterator[Place]:
    """Yield the lines of the checked file that are running, innermost first.

    `modules` are the names of its own modules, by their paths.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path in modules:
            yield Place(frame.f_lineno, modules[path])
        elif HOOK in frame.f_globals:
            cell = CELL_NAME.fullmatch(path)
            yield Place(frame.f_lineno, int(cell[1]) if cell else None)
        frame = frame.f_back
