"""What the derived lines call things: tensors that have no name any more, and gradients."""

import keyword
import re
from collections.abc import Mapping
from io import StringIO
from tokenize import COMMENT, TokenError, generate_tokens
from typing import Any

from torch import Tensor

from handgrad.checker.write.compose.expression import printed
from handgrad.checker.write.compose.graph import Graph, Value
from handgrad.checker.write.compose.references import References


class Names:
    """Hands out names, each once. `own` are the user's names of gradients by the tensor's id."""

    def __init__(self, graph: Graph, refs: References, own: Mapping[int, str]) -> None:
        self.refs = refs
        self.own = own
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
        """Return the name of a value as an identifier: its own, or one with a number after it."""
        if id(value) not in self._stems:
            named = self.refs.named(value)
            text = printed(named) if named is not None else ""
            bind = next(iter([value.bind] if value.bind is not None else value.binds), None)
            stem = _identifier(text or (bind.name if bind is not None else "t"))
            if not text or stem in self._taken:  # the name is another tensor's by now
                stem = self.version(stem)
            self._taken.add(stem)
            self._stems[id(value)] = stem
        return self._stems[id(value)]

    def version(self, stem: str) -> str:
        """Return x_1, x_2, ...: a name that nothing has."""
        while True:
            self._versions[stem] = self._versions.get(stem, 0) + 1
            name = f"{stem}_{self._versions[stem]}"
            if name not in self._used and name not in self.refs.names:
                self._used.add(name)
                return name

    def fresh(self, stem: str) -> str:
        """Return the stem, or the stem with a number where it stands for something already."""
        if stem not in self._used and stem not in self.refs.names and not keyword.iskeyword(stem):
            self._used.add(stem)
            return stem
        return self.version(stem)

    def gradient(self, value: Value) -> str:
        """Return the name of a value's gradient: the user's own, or d and the value's name."""
        if id(value) not in self._gradients:
            stem = self.stem(value)
            tried = [self.own.get(id(value.tensor)), f"d{stem}", f"d_{stem}", f"grad_{stem}"]
            free = [n for n in tried if n is not None and self._is_free(n)]
            name = free[0] if free else self.version(f"d{stem}")
            self._used.add(name)
            self._gradients[id(value)] = name
        return self._gradients[id(value)]

    def _is_free(self, name: str) -> bool:
        """A gradient that stands there already may be set again; nothing else may."""
        if name in self._used or not name.isidentifier():
            return False
        standing: Any = self.refs.names.get(name)
        if standing is None:
            return True
        return isinstance(standing, Tensor) and id(standing) not in self._forward


def heading(statement: str) -> list[str]:
    """Return a forward line as the comment above those that undo it, its own comments left out."""
    lines = statement.splitlines()
    try:
        tokens = list(generate_tokens(StringIO(statement).readline))
    except (TokenError, SyntaxError):  # the beginning of a block, alone
        tokens = []
    for token in tokens:
        if token.type == COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return [f"# {line.strip()}" for line in lines if line.strip()]


def _identifier(text: str) -> str:
    """`params['W1']` as W1, `layers[0]` as layers_0, `model.fc.weight` as model_fc_weight."""
    if text.isidentifier():
        return text
    words = re.findall(r"\w+", text)
    if not words:
        return "t"
    if text.endswith("']") and not words[-1][0].isdigit():
        return str(words[-1])
    return str("_".join(words))
