"""A statement's text with one expression changed, everything else as the user wrote it."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import accumulate
from typing import TypeVar

from handgrad.checker.write.precedence import ATOMS, is_sum, needs_parentheses

Kind = TypeVar("Kind", bound=ast.AST)
_OPERATOR = re.compile(r"[\s)]*?(\s*(?:\*\*|//|<<|>>|[-+*/@%&|^])\s*)[\s(]*")
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**",
          ast.FloorDiv: "//", ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
          ast.LShift: "<<", ast.RShift: ">>"}  # fmt: skip
REFERENCES = ast.Name | ast.Attribute | ast.Subscript
MODULES = frozenset({"torch", "F"})
Patch = tuple[int, int, str]
"""Where a part of the text begins and ends, and what is to stand there."""


class Text:
    """A statement's text with its tree: `replace` and `wrap` give the text with a part changed.

    `modules` are the names that stand for modules (torch, F); `source` is the text of the whole
    cell or file, which shows the author's style.
    """

    def __init__(
        self,
        text: str,
        tree: ast.stmt,
        modules: Set[str] = MODULES,
        source: str = "",
    ) -> None:
        self.text = text
        self.tree = tree
        self.modules = modules
        self.source = source or text
        self._lines = text.split("\n")
        self._starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))
        self.parents = {id(child): node for node in ast.walk(tree)
                        for child in ast.iter_child_nodes(node)}  # fmt: skip

    @classmethod
    def parsed(cls, source: str, modules: Set[str] = MODULES) -> "Text | None":
        """Return the text of one statement; None if `source` is not exactly one."""
        try:
            body = ast.parse(source).body
        except SyntaxError:
            return None
        return cls(source, body[0], modules) if len(body) == 1 else None

    @property
    def value(self) -> ast.expr | None:
        """What the statement computes."""
        return getattr(self.tree, "value", None)

    @property
    def commented_out(self) -> str:
        """The statement as a comment."""
        return "\n".join(f"# {line}" for line in self._lines)

    def without_terms(self) -> Iterator[tuple[str, ast.BinOp, ast.expr]]:
        """Yield the statement without one term of a sum, the sum, and that term.

        Of a difference, only the subtracted term; of a sum, the right term and then the left.
        """
        for node in self.of(ast.BinOp):
            if isinstance(node.op, ast.Add | ast.Sub):
                yield self.replace(node, self.segment(node.left)), node, node.right
            if isinstance(node.op, ast.Add):
                yield self.replace(node, self.segment(node.right)), node, node.left

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        """Yield the expressions of that kind in what the statement computes."""
        for node in ast.walk(self.value) if self.value is not None else ():
            if isinstance(node, kind):
                yield node

    def segment(self, node: ast.AST) -> str:
        """Return the text of an expression, without parentheses around it unless it needs them."""
        start, end = self.span(node)
        inner = self.text[start:end]
        return f"({inner})" if isinstance(node, ast.NamedExpr) else inner

    def replace(self, node: ast.AST, new: str) -> str:
        """Return the statement with `new` in the place of an expression, in parentheses if need be.

        Parentheses of the user's around the expression stay.
        """
        return self.patched([self.patch(node, new)])

    def patch(self, node: ast.AST, new: str) -> Patch:
        """Return the patch that puts `new` in the place of an expression."""
        start, end = self.span(node)
        parent = self.parent(node)
        above = None if parent is None else self.parent(parent)
        needs = needs_parentheses(_parsed(new), node, parent, above)
        if self._stands_in_parentheses(start, end):
            is_atom = isinstance(_parsed(new), ATOMS) and not needs
            if is_atom and not self._calls(start):  # (2 * x) -> x
                start, end = self.text[:start].rindex("("), self.text.index(")", end) + 1
        elif needs:
            new = f"({new})"
        return start, end, new

    def patched(self, patches: Iterable[Patch], within: ast.AST | None = None) -> str:
        """Return the statement with parts replaced; or one expression of it that holds them all."""
        first, last = (0, len(self.text)) if within is None else self.span(within)
        text = self.text
        for start, end, new in sorted(patches, reverse=True):
            text = text[:start] + new + text[end:]
        return text[first : len(text) - len(self.text) + last]

    def replace_all(self, nodes: Sequence[ast.expr], new: Sequence[str]) -> str:
        """Return the statement with several expressions replaced, none of them within another."""
        return self.patched(map(self.patch, nodes, new))

    def sides(self, node: ast.BinOp) -> tuple[str, str, str]:
        """Return the left operand, the operator with its spaces, and the right operand.

        The operands include their parentheses.
        """
        start, end = self.span(node)
        left, right = self.span(node.left)[1], self.span(node.right)[0]
        sign = _OPERATOR.fullmatch(self.text[left:right]) or re.search(
            f"({re.escape(_SIGNS[type(node.op)])})", self.text[left:right]
        )
        assert sign is not None
        first, last = left + sign.start(1), left + sign.end(1)
        return self.text[start:first], self.text[first:last], self.text[last:end]

    def operator(self, node: ast.BinOp, sign: str) -> Patch:
        """Return the patch that puts another operator there, spaced as the user's is."""
        left, operator, _ = self.sides(node)
        at = self.span(node)[0] + len(left)
        return at, at + len(operator), operator.replace(operator.strip(), sign)

    def exchanged(self, node: ast.BinOp, sign: str) -> str:
        """Return the statement with another operator there."""
        return self.patched([self.operator(node, sign)])

    def augmented(self, operator: str) -> str:
        """Return an augmented assignment with another operator: `-` makes `-=` of `+=`."""
        assert isinstance(self.tree, ast.AugAssign)
        at, current = len(self.segment(self.tree.target)), _SIGNS[type(self.tree.op)]
        return self.text[:at] + self.text[at:].replace(f"{current}=", f"{operator}=", 1)

    def factor(self, node: ast.AST) -> str:
        """Return the text of an expression as a factor: a sum in parentheses."""
        return f"({self.segment(node)})" if is_sum(node) else self.segment(node)

    def scaled(self, node: ast.AST, template: str) -> str:
        """Return the statement with a factor in `template`, where `{}` stands for it."""
        return self.replace(node, template.format(self.factor(node)))

    def atom(self, node: ast.AST) -> str:
        """Return the text of an expression as the owner of a method: operators in parentheses."""
        plain = isinstance(node, ATOMS) and not isinstance(node, ast.Constant)
        return self.segment(node) if plain else f"({self.segment(node)})"

    def is_exponent(self, node: ast.AST) -> bool:
        """Tell whether an expression is the exponent of a power."""
        parent = self.parent(node)
        power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
        return power and isinstance(parent, ast.BinOp) and parent.right is node

    def wrap(self, node: ast.AST, template: str) -> str:
        """Return the statement with an atom in `template`, where `{}` stands for it."""
        return self.replace(node, template.format(self.atom(node)))

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node that contains the expression."""
        return self.parents.get(id(node))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where the expression begins and ends in the text."""
        assert isinstance(node, ast.expr | ast.stmt)
        end_line, end_column = node.end_lineno, node.end_col_offset
        assert end_line is not None
        assert end_column is not None
        return self._at(node.lineno, node.col_offset), self._at(end_line, end_column)

    def _at(self, line: int, column: int) -> int:
        """The columns of a tree count bytes of UTF-8."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)

    def _stands_in_parentheses(self, start: int, end: int) -> bool:
        return self.text[:start].rstrip().endswith("(") and self.text[end:].lstrip().startswith(")")

    def _calls(self, start: int) -> bool:
        """Tell whether the parenthesis before `start` is that of a call."""
        before = self.text[:start].rstrip()[:-1].rstrip()
        return bool(before) and (before[-1].isalnum() or before[-1] in "_])")


def _parsed(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


def number(value: float) -> str:
    """Return a number as one would type it."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def references(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the names, attributes and indexed tensors of an expression, the longest of each."""
    if isinstance(tree, REFERENCES):
        root: ast.expr = tree
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name):
            turned = isinstance(tree, ast.Attribute) and tree.attr in ("T", "mT", "shape")
            if turned and isinstance(tree, ast.Attribute):
                yield from references(tree.value)
            else:
                yield tree
            return
    for child in ast.iter_child_nodes(tree):
        yield from references(child)
