"""A statement's text with one expression changed, everything else as the user wrote it."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from handgrad.checker.write.precedence import ATOMS, needs_parentheses

Kind = TypeVar("Kind", bound=ast.AST)
_OPERATOR = re.compile(r"[\s)]*?(\s*(?:\*\*|//|<<|>>|[-+*/@%&|^])\s*)[\s(]*")
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**",
          ast.FloorDiv: "//", ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
          ast.LShift: "<<", ast.RShift: ">>"}  # fmt: skip


class Text:
    """A statement's text with its tree: `replace` and `wrap` give the text with a part changed.

    `modules` are the names that stand for modules (torch, F); `source` is the text of the whole
    cell or file, which shows how its author writes what may be written in several ways.
    """

    def __init__(
        self,
        text: str,
        tree: ast.stmt,
        modules: frozenset[str] = frozenset({"torch", "F"}),
        source: str = "",
    ) -> None:
        self.text = text
        self.tree = tree
        self.modules = modules
        self.source = source or text
        lines = text.split("\n")
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._lines = lines
        self.parents = {id(child): node for node in ast.walk(tree)
                        for child in ast.iter_child_nodes(node)}  # fmt: skip

    @property
    def value(self) -> ast.expr | None:
        """What the statement computes."""
        return getattr(self.tree, "value", None)

    @property
    def commented_out(self) -> str:
        """The statement left out, in a way that shows which it was."""
        return "\n".join(f"# {line}" for line in self._lines)

    def without_terms(self) -> Iterator[tuple[str, ast.BinOp, ast.expr]]:
        """Yield the statement with one term of a sum left out, the sum and that term.

        Of a difference, what is subtracted; of a sum, the right term and then the left.
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
        own = self.text[start:end]
        return f"({own})" if isinstance(node, ast.NamedExpr) else own

    def replace(self, node: ast.AST, new: str) -> str:
        """Return the statement with `new` in the place of an expression, in parentheses if need be.

        Parentheses of the user's around the expression stay.
        """
        start, end = self.span(node)
        if self._stands_in_parentheses(start, end):
            if not self._calls(start) and isinstance(_parsed(new), ATOMS):  # (2 * x) -> x
                start, end = self.text[:start].rindex("("), self.text.index(")", end) + 1
        elif needs_parentheses(_parsed(new), node, self.parent(node)):
            new = f"({new})"
        return self.text[:start] + new + self.text[end:]

    def within(self, whole: ast.AST, part: ast.AST, new: str) -> str:
        """Return the text of `whole` with `new` in the place of a part of it."""
        start, end = self.span(whole)
        return self.replace(part, new)[start : len(self.replace(part, new)) - len(self.text) + end]

    def sides(self, node: ast.BinOp) -> tuple[str, str, str]:
        """Return what stands left of an operator, the operator with its spaces, what is right.

        The sides have their own parentheses with them.
        """
        start, end = self.span(node)
        left, right = self.span(node.left)[1], self.span(node.right)[0]
        made = _OPERATOR.fullmatch(self.text[left:right])
        if made is None:  # a comment stands between
            return self.segment(node.left), f" {_SIGNS[type(node.op)]} ", self.segment(node.right)
        at = left + made.start(1)
        return self.text[start:at], made[1], self.text[at + len(made[1]) : end]

    def exchanged(self, node: ast.BinOp, operator: str) -> str:
        """Return the statement with another operator there, spaced as the user's is."""
        left, own, right = self.sides(node)
        start, end = self.span(node)
        return (
            self.text[:start]
            + left
            + own.replace(own.strip(), operator)
            + right
            + (self.text[end:])
        )

    def replace_all(self, nodes: Sequence[ast.expr], new: Sequence[str]) -> str:
        """Return the statement with several expressions replaced, none of them within another."""
        found = self.text
        for node, own in sorted(zip(nodes, new, strict=True), key=lambda p: -self.span(p[0])[0]):
            start, end = self.span(node)
            found = found[:start] + own + found[end:]
        return found

    def wrap(self, node: ast.AST, template: str) -> str:
        """Return the statement with an expression put into `template`, where `{}` stands for it."""
        inner = self.segment(node)
        if not isinstance(node, ATOMS) or isinstance(node, ast.Constant):
            inner = f"({inner})"
        return self.replace(node, template.format(inner))

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return what the expression is a part of."""
        return self.parents.get(id(node))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where the expression begins and ends in the text."""
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(
            node.end_lineno, node.end_col_offset
        )

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


def tidy(text: str) -> str:
    """Return text that was put together from parts as one would have typed it."""
    text = re.sub(r"\*\* ?\((-?\d+(?:\.\d+)?)\)", r"**\1", text)
    return text.replace(" ** ", "**")


def number(value: float) -> str:
    """Return a number as one would type it."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
