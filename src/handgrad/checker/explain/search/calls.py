"""Calls in the text, as methods or as functions: `x.sum(0)` and `torch.sum(x, dim=0)`."""

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from handgrad.checker.explain.search.edits import Text

DIMS = ("dim", "axis")
KEEPS = ("keepdim", "keepdims")
REDUCTIONS = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "norm", "prod",
              "logsumexp", "nansum", "nanmean"}  # fmt: skip


@dataclass(frozen=True)
class LineCall:
    """A call of a method or function on `operand`; `rest` are its other positional arguments."""

    text: Text
    node: ast.Call
    function: ast.Attribute
    operand: ast.expr
    rest: tuple[ast.expr, ...]
    is_method: bool

    @property
    def name(self) -> str:
        return self.function.attr

    @property
    def dims(self) -> ast.expr | None:
        """The dimensions, `0` of `sum(0)`; None where none are named."""
        return self.rest[0] if self.rest else self.keyword(DIMS)

    @property
    def inner(self) -> str:
        """The operand's text."""
        return self.text.segment(self.operand)

    def keyword(self, names: Collection[str]) -> ast.expr | None:
        """Return the value of the first of these keywords, None if absent."""
        return next((k.value for k in self.node.keywords if k.arg in names), None)

    def renamed(self, name: str) -> str:
        """Return the statement with another function name."""
        whole = self.text.segment(self.function)
        return self.text.replace(self.function, whole[: len(whole) - len(self.name)] + name)

    def left_out(self) -> str:
        """Return the statement with the operand alone."""
        return self.text.replace(self.node, self.inner)

    def on(self, operand: str) -> str:
        """Return the call (not the statement) on another operand."""
        return self.text.patched([self.text.patch(self.operand, operand)], self.node)

    def with_dims(self, dims: str) -> str:
        """Return the statement with other dimensions."""
        if self.dims is not None:
            return self.text.replace(self.dims, dims)
        key = "dim=" if any(k.arg not in KEEPS for k in self.node.keywords) else ""
        if not self.is_method:
            end = self.text.span(self.operand)[1]
            return self.text.patched([(end, end, f", {key}{dims}")])
        start = self.text.span(self.function)[1] + len("(")
        comma = ", " if self.node.args or self.node.keywords else ""
        return self.text.patched([(start, start, f"{key}{dims}{comma}")])

    def kept(self) -> str:
        """Return the statement with keepdim=True in the call, or without it where it is present."""
        whole = self.text.segment(self.node)
        keyword = next((k for k in self.node.keywords if k.arg in KEEPS), None)
        if keyword is None:
            comma = ", " if self.node.args or self.node.keywords else ""
            word = keepdim_in(self.text)
            return self.text.replace(self.node, f"{whole[:-1].rstrip()}{comma}{word}=True)")
        value = re.escape(self.text.segment(keyword.value))
        gone = rf",?\s*{keyword.arg}\s*=\s*{value}(?=\s*[,)])"
        return self.text.replace(self.node, re.sub(gone, "", whole).replace("(, ", "("))


def calls(text: Text, names: Collection[str]) -> Iterator[LineCall]:
    """Yield the calls of methods and module functions with these names."""
    for node in text.of(ast.Call):
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr not in names:
            continue
        if any(isinstance(a, ast.Starred) for a in node.args):
            continue
        if not _is_module(text, function.value):
            yield LineCall(text, node, function, function.value, tuple(node.args), True)
        elif node.args:
            yield LineCall(text, node, function, node.args[0], tuple(node.args[1:]), False)


def reduced(text: Text, node: ast.expr, name: str, dims: str, keep: bool) -> str:
    """Return the statement with an expression reduced, written as the author writes reductions."""
    dim = dim_in(text)
    given = [f"{dim}{dims}"] if dims else []
    if keep and dims:
        given.append(f"{keepdim_in(text)}=True")
    module = "np" if _is_numpy(text) else "torch"
    if len(re.findall(rf"\b{module}\.(?:sum|mean)\(", text.source)) > len(
        re.findall(rf"(?<!{module})\.(?:sum|mean)\(", text.source)
    ):
        inner = text.segment(node)
        return text.replace(node, f"{module}.{name}({', '.join([inner, *given])})")
    return text.wrap(node, f"{{}}.{name}({', '.join(given)})")


def dim_in(text: Text) -> str:
    """Return how the author names a reduction's dimension: "", "dim=" or "axis="."""
    source = text.source
    if _is_numpy(text) and not re.search(r"\.(?:sum|mean|max)\(\s*-?\(?\d", source):
        return "axis="
    for word in DIMS:
        named = len(re.findall(rf"\b{word}\s*=", source))
        if named > len(re.findall(r"\.(?:sum|mean|max|softmax)\(\s*-?\(?\d", source)):
            return f"{word}="
    return ""


def counts_back(text: Text) -> bool:
    """Tell whether the author calls the last dimension -1 more often than 1."""
    back, forth = (len(re.findall(rf"[(=]\s*{n}\b", text.source)) for n in ("-1", "1"))
    return back > forth


def keepdim_in(text: Text) -> str:
    """Return how the author spells keepdim."""
    kept = "keepdims=" in text.source or _is_numpy(text)
    return "keepdims" if kept and "keepdim=" not in text.source else "keepdim"


def _is_numpy(text: Text) -> bool:
    return bool(
        re.search(r"^\s*(?:import|from) numpy\b", text.source, re.MULTILINE)
    ) and not re.search(r"^\s*(?:import|from) torch\b", text.source, re.MULTILINE)


def _is_module(text: Text, node: ast.expr) -> bool:
    """Tell whether an expression is a module: torch, F, torch.nn.functional."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in text.modules
