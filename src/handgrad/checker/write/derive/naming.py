"""Names in the derived lines: of gradients, and of tensors that have lost their name."""

import keyword
import re
from io import StringIO
from tokenize import COMMENT, TokenError, generate_tokens

from torch import Tensor

from handgrad.checker.write.compose.expression import printed
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.compose.references import References


class NameTable:
    """Gives out names, each only once."""

    def __init__(self, graph: Graph, refs: References) -> None:
        self.refs = refs
        self._forward = {id(v.tensor) for v in graph.values}
        self._used = {"torch", "F", "d"}
        self._stems: dict[int, str] = {}
        self._taken: set[str] = set()
        self._gradients: dict[int, str] = {}
        self._versions: dict[str, int] = {}
        for value in graph.values:
            if value.live and value.bind is not None:
                self.stem(value)

    def stem(self, value: Value) -> str:
        """Return the name of a value as an identifier, numbered if another value has it."""
        if id(value) not in self._stems:
            node, bind = self.refs.named(value), value.bind or next(iter(value.binds), None)
            text = printed(node) if node is not None else ""
            stem = _identifier(text or (bind.name if bind is not None else "t"))
            if not text or stem in self._taken:  # the name now holds another tensor
                stem = self.version(stem)
            self._taken.add(stem)
            self._stems[id(value)] = stem
        return self._stems[id(value)]

    def version(self, stem: str) -> str:
        """Return the first free name of x_1, x_2, ..."""
        while True:
            self._versions[stem] = self._versions.get(stem, 0) + 1
            name = f"{stem}_{self._versions[stem]}"
            if name not in self._used and name not in self.refs.names:
                self._used.add(name)
                return name

    def fresh(self, stem: str) -> str:
        """Return the stem, numbered if it is already in use."""
        if stem not in self._used and stem not in self.refs.names and not keyword.iskeyword(stem):
            self._used.add(stem)
            return stem
        return self.version(stem)

    def gradient(self, value: Value) -> str:
        """Return the name of a value's gradient: d and the name of the value, if that is free."""
        if id(value) not in self._gradients:
            stem = self.stem(value)
            candidates = (f"d{stem}", f"d_{stem}", f"grad_{stem}")
            name = next(filter(self._is_free, candidates), None) or self.version(f"d{stem}")
            self._used.add(name)
            self._gradients[id(value)] = name
        return self._gradients[id(value)]

    def _is_free(self, name: str) -> bool:
        """Tell whether a name may be set: it is new, or holds a tensor of no forward pass."""
        if name in self._used or not name.isidentifier():
            return False
        current = self.refs.names.get(name)
        is_other = isinstance(current, Tensor) and id(current) not in self._forward
        return current is None or is_other


def heading(statement: str) -> list[str]:
    """Return a forward statement as comment lines, without its own comments."""
    lines = statement.splitlines()
    try:
        tokens = list(generate_tokens(StringIO(statement).readline))
    except (TokenError, SyntaxError):  # the first line of a compound statement
        tokens = []
    for token in tokens:
        if token.type == COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return [f"# {line.strip()}" for line in lines if line.strip()]


def _identifier(text: str) -> str:
    """Return W1 for `params['W1']`, layers_0 for `layers[0]`, fc_weight for `fc.weight`."""
    if text.isidentifier():
        return text
    words = re.findall(r"\w+", text)
    if text.endswith("']") and words and not words[-1][0].isdigit():
        return str(words[-1])
    return "_".join(words) or "t"
