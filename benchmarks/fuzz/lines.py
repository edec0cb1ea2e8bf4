"""The line rewriter: what it writes parses, and means what was asked for."""

import ast
import copy
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.target import Target

NAMES = st.sampled_from(
    ["x", "dh", "W", "logits", "Yb", "größe", "ctx.saved", "h[0]", "x.T", "m[:, None]"]
)
NUMBERS = st.sampled_from(["2", "0.5", "1e-5", "n", "3."])
SPACES = st.sampled_from(["", " ", " ", "  "])
SIGNS = st.sampled_from(["+", "-", "*", "/", "@", "**", "//", "%"])
CALLS = st.sampled_from([
    "torch.exp({})", "F.relu({})", "({}).sum(0, keepdim=True)", "({}).T", "f({}, dim=-1)",
    "g(a, *{})", "[{}]", "({}, x)", "({})[1:]", "h(lambda: {})", "(z := {})", "{} if c else y",
    "not {}", "{} > 0", "-{}", "+{}", "({})", "( {} )", "((\n    {}\n))",
])  # fmt: skip


@st.composite
def joined(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    left, right, space = draw(inner), draw(inner), draw(SPACES)
    return f"{left}{space}{draw(SIGNS)}{space}{right}"


def expressions() -> st.SearchStrategy[str]:
    """Expressions as people write them, with odd spaces and superfluous parentheses."""
    return st.recursive(
        NAMES | NUMBERS,
        lambda inner: joined(inner) | st.builds(lambda call, e: call.format(e), CALLS, inner),
        max_leaves=7,
    )


def statements() -> st.SearchStrategy[str]:
    target = st.sampled_from(["dx", "dW[i]", "self.grad", "dx: Tensor", "a, b"])
    sign = st.sampled_from(["=", " = ", " += ", " -= ", " *= "])
    return st.builds(lambda t, s, e: f"{t}{s}({e})" if "\n" in e else f"{t}{s}{e}",
                     target, sign, expressions())  # fmt: skip


class Signed(ast.NodeTransformer):
    """Takes the sign of a product into its first factor: -(a * b) is (-a) * b."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        if not isinstance(node.op, ast.USub | ast.UAdd) or not isinstance(operand, ast.BinOp):
            return ast.UnaryOp(node.op, operand)
        if not isinstance(operand.op, ast.Mult | ast.Div | ast.MatMult):
            return ast.UnaryOp(node.op, operand)
        left = self.visit_UnaryOp(ast.UnaryOp(node.op, operand.left))
        return ast.BinOp(left, operand.op, operand.right)


def same(text: str, tree: ast.AST) -> bool:
    """Return whether a text parses as a tree, but for where the sign of a product is."""
    both = (ast.parse(text).body[0], copy.deepcopy(tree))
    one, other = (ast.dump(Signed().visit(t)) for t in both)
    return one == other


def swapped(tree: ast.stmt, node: ast.AST, new: ast.expr) -> ast.stmt:
    """Return a copy of the statement with another expression in the place of one."""
    place = next(i for i, n in enumerate(ast.walk(tree)) if n is node)
    changed = copy.deepcopy(tree)
    old = next(n for i, n in enumerate(ast.walk(changed)) if i == place)

    class Swap(ast.NodeTransformer):
        def visit(self, at: ast.AST) -> Any:
            return new if at is old else self.generic_visit(at)

    result = Swap().visit(changed)
    assert isinstance(result, ast.stmt)
    return result


def line_is_rewritten(example: tuple[str, str]) -> None:
    """Each expression replaced by itself gives the line; by another, the line that was meant."""
    from handgrad.checker.explain.search.edits import Text

    source, other = example
    try:
        text = Text.parsed(source)
        new = ast.parse(other, mode="eval").body
    except (SyntaxError, ValueError):
        return
    if text is None or text.value is None:
        return
    tree = text.tree
    for node in text.of(ast.expr):
        if isinstance(node, ast.Starred | ast.Slice) or not isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            continue  # no expressions of their own
        if isinstance(node, ast.Tuple) and isinstance(text.parent(node), ast.Subscript):
            continue
        itself = text.replace(node, text.segment(node))
        assert same(itself, tree), f"{text.segment(node)!r} for itself: {itself!r}"
        written = text.replace(node, other)
        assert same(written, swapped(tree, node, new)), (
            f"{other!r} for {text.segment(node)!r}: {written!r}"
        )
    for without, node, term in text.without_terms():
        kept = node.left if term is node.right else node.right
        assert same(without, swapped(tree, node, kept)), (
            f"without {text.segment(term)!r}: {without!r}"
        )
    for node in text.of(ast.BinOp):
        left, sign, right = text.sides(node)
        assert left + sign + right in text.text
        ast.parse(text.exchanged(node, "*"))
        ast.parse(text.scaled(node, "2 * {}"))
        ast.parse(text.wrap(node, "{}.sum(0)"))


REPLACEMENTS = st.sampled_from(
    ["x", "2", "-x", "a + b", "a - b", "a * b", "a / b", "a @ b", "a ** 2", "f(x)", "x.T", "dh[i]",
     "dout.sum(0)", "1 - t**2", "-a * b"]
)  # fmt: skip
LINES = (Target("lines", lambda: st.tuples(statements(), REPLACEMENTS), line_is_rewritten),)
