"""Lines of torch code in NumPy's words: `x.exp().sum(0, keepdim=True)`.

The search for a corrected line and the rules of derivatives write torch. Where the user's
program is written in NumPy, their text is put into NumPy's words before it runs and before it is
shown. Text that is NumPy already does not change.
"""

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache

_SAME = {
    "exp", "log", "sqrt", "tanh", "abs", "sign", "sin", "cos", "tan", "sinh", "cosh", "square",
    "log1p", "expm1", "exp2", "log2", "log10", "floor", "ceil", "reciprocal",
}  # fmt: skip
"""Elementwise functions of both, which are methods in torch alone."""
_FUNCTIONS = {
    "absolute": "abs", "maximum": "maximum", "minimum": "minimum", "where": "where",
    "zeros_like": "zeros_like", "ones_like": "ones_like", "full_like": "full_like",
    "outer": "outer", "dot": "dot", "matmul": "matmul", "mm": "matmul", "einsum": "einsum",
    "cat": "concatenate", "stack": "stack", "zeros": "zeros", "ones": "ones", "full": "full",
    "arange": "arange", "eye": "eye", "flip": "flip", "tensordot": "tensordot", "tril": "tril",
    "triu": "triu", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "tensor": "array",
    "broadcast_to": "broadcast_to", "transpose": "swapaxes", "permute": "transpose",
    "bmm": "matmul", "pow": "power", "mul": "multiply", "div": "divide", "sub": "subtract",
    "add": "add", "neg": "negative", "clamp": "clip", "unsqueeze": "expand_dims",
    "squeeze": "squeeze", "reshape": "reshape", "clone": "copy", "cumsum": "cumsum",
}  # fmt: skip
_REDUCTIONS = {"sum": "sum", "mean": "mean", "amax": "max", "amin": "min", "max": "max",
               "min": "min", "prod": "prod", "var": "var", "std": "std"}  # fmt: skip
_METHODS = {"view": "reshape", "clone": "copy", "mm": "dot", "matmul": "dot", "bmm": "dot",
            "permute": "transpose"}  # fmt: skip
_KEYWORDS = {"dim": "axis", "keepdim": "keepdims", "correction": "ddof"}
_MODULES = ("torch", "F")
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


@lru_cache(4096)
def in_numpy(source: str, alias: str = "np") -> str:
    """Return a statement or expression in NumPy's words; as it is where it cannot be parsed.

    `alias` is the user's name of NumPy.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    return _Writer(source, alias).text(tree, 0, len(source.encode()))


class _Writer:
    def __init__(self, source: str, alias: str) -> None:
        self._source = source.encode()
        self._alias = alias
        starts = [0]
        for line in self._source.split(b"\n"):
            starts.append(starts[-1] + len(line) + 1)
        self._starts = starts

    def of(self, node: ast.expr, atom: bool = False) -> str:
        """Return the new text of an expression, in parentheses where it must be an atom."""
        start, end = self._span(node)
        written = self._call(node) if isinstance(node, ast.Call) else None
        if written is None and isinstance(node, ast.Attribute):
            written = self._attribute(node)
        if written is None:
            written = self.text(node, start, end)
        return f"({written})" if atom and not isinstance(node, _ATOMS) else written

    def text(self, node: ast.AST, start: int, end: int) -> str:
        """Return the source between two places with the expressions inside `node` rewritten."""
        out, at = "", start
        children = [c for c in _expressions(node) if hasattr(c, "lineno")]
        for child in sorted(children, key=lambda c: self._span(c)[0]):
            first, last = self._span(child)
            if first < at:
                continue
            out += self._source[at:first].decode() + self.of(child)
            at = last
        return out + self._source[at:end].decode()

    def _span(self, node: ast.expr) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    def _attribute(self, node: ast.Attribute) -> str | None:
        if isinstance(node.value, ast.Name) and node.value.id in _MODULES:
            return f"{self._alias}.{node.attr}" if node.attr in ("pi", "inf", "e") else None
        return None

    def _call(self, node: ast.Call) -> str | None:
        function = node.func
        if not isinstance(function, ast.Attribute):
            return None
        root: ast.expr = function.value
        while isinstance(root, ast.Attribute):
            root = root.value
        name = function.attr
        if isinstance(root, ast.Name) and root.id in _MODULES:
            return self._function(name, node)
        if isinstance(root, ast.Name) and root.id == self._alias:
            return None
        return self._method(name, function.value, node)

    def _function(self, name: str, node: ast.Call) -> str | None:
        if name in _COMPOSED and node.args:
            return _COMPOSED[name](self, node)
        if name in _REDUCTIONS:
            return f"{self._alias}.{_REDUCTIONS[name]}({self._arguments(node.args, node, 1)})"
        new = name if name in _SAME else _FUNCTIONS.get(name)
        return None if new is None else f"{self._alias}.{new}({self._arguments(node.args, node)})"

    def _method(self, name: str, owner: ast.expr, node: ast.Call) -> str | None:
        np, on = self._alias, self.of
        if name in _SAME and not node.args:
            return f"{np}.{name}({on(owner)})"
        if name in _REDUCTIONS and (name.startswith("a") or _has_torch_words(node)):
            return f"{on(owner, True)}.{_REDUCTIONS[name]}({self._arguments(node.args, node, 0)})"
        if name in _METHODS:
            return f"{on(owner, True)}.{_METHODS[name]}({self._arguments(node.args, node)})"
        if name in ("t", "neg", "numel", "contiguous", "detach") and not node.args:
            end = {"t": ".T", "numel": ".size", "neg": ""}.get(name, "")
            return ("-" if name == "neg" else "") + on(owner, True) + end
        if name == "size" and len(node.args) == 1:
            return f"{on(owner, True)}.shape[{on(node.args[0])}]"
        if name in ("pow", "unsqueeze", "expand", "expand_as", "sigmoid", "softmax", "norm",
                    "index_add_", "index_put_", "one_hot", "double", "float"):  # fmt: skip
            return _METHODS_COMPOSED[name](self, owner, node)
        return None

    def _arguments(self, args: list[ast.expr], node: ast.Call, dims: int = -1) -> str:
        """Return arguments in NumPy's words; the positional one number `dims` is the axis."""
        parts = [f"axis={self.of(a)}" if i == dims else self.of(a) for i, a in enumerate(args)]
        parts += [f"{_KEYWORDS.get(k.arg or '', k.arg)}={self.of(k.value)}" for k in node.keywords]
        return ", ".join(parts)


def _expressions(node: ast.AST) -> list[ast.expr]:
    """Return the outermost expressions below a node."""
    found: list[ast.expr] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            found.append(child)
        else:
            found += _expressions(child)
    return found


def _has_torch_words(node: ast.Call) -> bool:
    return any(keyword.arg in _KEYWORDS for keyword in node.keywords)


def _dim(node: ast.Call, writer: _Writer, at: int) -> str:
    named = [k.value for k in node.keywords if k.arg in ("dim", "axis")]
    values = node.args[at : at + 1] or named
    return writer.of(values[0]) if values else "-1"


def _sigmoid(writer: _Writer, node: ast.Call) -> str:
    return f"(1 / (1 + {writer._alias}.exp(-{writer.of(node.args[0], True)})))"


def _softmax(writer: _Writer, node: ast.Call) -> str:
    exp = f"{writer._alias}.exp({writer.of(node.args[0])})"
    return f"({exp} / {exp}.sum(axis={_dim(node, writer, 1)}, keepdims=True))"


def _relu(writer: _Writer, node: ast.Call) -> str:
    return f"{writer._alias}.maximum({writer.of(node.args[0])}, 0)"


def _one_hot(writer: _Writer, node: ast.Call) -> str | None:
    if len(node.args) < 2:
        return None
    return f"{writer._alias}.eye({writer.of(node.args[1])})[{writer.of(node.args[0])}]"


_COMPOSED: Mapping[str, Callable[[_Writer, ast.Call], str | None]] = {
    "sigmoid": _sigmoid, "softmax": _softmax, "relu": _relu, "one_hot": _one_hot,
}  # fmt: skip


def _as_call(build: Callable[[_Writer, ast.Call], str | None]) -> Callable[..., str | None]:
    def method(writer: _Writer, owner: ast.expr, node: ast.Call) -> str | None:
        return build(writer, ast.Call(node.func, [owner, *node.args], node.keywords))

    return method


def _pow(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    return f"({writer.of(owner, True)}**{writer.of(node.args[0], True)})"


def _unsqueeze(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    return f"{writer._alias}.expand_dims({writer.of(owner)}, {writer.of(node.args[0])})"


def _expand(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    sizes = ", ".join(map(writer.of, node.args))
    shape = sizes if len(node.args) == 1 else f"({sizes})"
    return f"{writer._alias}.broadcast_to({writer.of(owner)}, {shape})"


def _expand_as(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    like = writer.of(node.args[0], True)
    return f"{writer._alias}.broadcast_to({writer.of(owner)}, {like}.shape)"


def _norm(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    return f"{writer._alias}.linalg.norm({writer.of(owner)})"


def _index_add(writer: _Writer, owner: ast.expr, node: ast.Call) -> str | None:
    if len(node.args) != 3 or writer.of(node.args[0]) != "0":
        return None
    index, value = map(writer.of, node.args[1:])
    return f"{writer._alias}.add.at({writer.of(owner)}, {index}, {value})"


def _index_put(writer: _Writer, owner: ast.expr, node: ast.Call) -> str | None:
    accumulates = any(k.arg == "accumulate" for k in node.keywords)
    if len(node.args) != 2 or not accumulates or not isinstance(node.args[0], ast.Tuple):
        return None
    places = node.args[0].elts
    index, value = (
        writer.of(places[0] if len(places) == 1 else node.args[0]),
        writer.of(node.args[1]),
    )
    return f"{writer._alias}.add.at({writer.of(owner)}, {index}, {value})"


def _to_float(writer: _Writer, owner: ast.expr, node: ast.Call) -> str:
    return f"{writer.of(owner, True)}.astype(float)"


_METHODS_COMPOSED: Mapping[str, Callable[..., str | None]] = {
    "pow": _pow, "unsqueeze": _unsqueeze, "expand": _expand, "expand_as": _expand_as,
    "sigmoid": _as_call(_sigmoid), "softmax": _as_call(_softmax), "norm": _norm,
    "index_add_": _index_add, "index_put_": _index_put, "one_hot": _as_call(_one_hot),
    "double": _to_float, "float": _to_float,
}  # fmt: skip
