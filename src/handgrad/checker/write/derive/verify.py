"""Run derived lines in the scope of the loss, and judge them as `handgrad check` does.

The lines run on the values that the user's tensors had when the loss was computed: once in their
own dtypes and once in float64, which separates rounding from wrong formulas.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.passes.compare import judge
from handgrad.checker.passes.replay import Replay
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.trace import Bind
from handgrad.checker.records import VerdictName
from handgrad.checker.write.compose.references import References


class ExecutedLines:
    """Executes lines. `names` are the names afterwards, `failed` the errors by line."""

    def __init__(
        self,
        lines: Sequence[str],
        refs: References,
        values: "TensorValues",
        extra: Mapping[str, Tensor],
    ) -> None:
        self.names: dict[str, Any] = {"torch": torch, **refs.names, **extra}
        self.failed: dict[str, str] = {}
        paths = {text: values.of(tensor) for text, tensor in refs.paths.items()}
        for name, value in refs.names.items():
            if isinstance(value, Tensor) and name not in extra:
                self.names[name] = values.of(value)
        with torch._C.DisableTorchFunction(), torch.no_grad():
            for line in lines:
                if line and not line.startswith("#"):
                    self._run(line, paths)

    def _run(self, line: str, paths: Mapping[str, Tensor]) -> None:
        tree = _ReplacePaths(paths, self.names).visit(ast.parse(line))
        try:
            exec(compile(ast.fix_missing_locations(tree), "<derived>", "exec"), self.names)
        except Exception as error:
            self.failed[line] = f"{type(error).__name__}: {str(error).splitlines()[0]}"


class _ReplacePaths(ast.NodeTransformer):
    """Replaces `model.fc1.weight` by the value that it had, which may have changed since."""

    def __init__(self, paths: Mapping[str, Tensor], names: dict[str, Any]) -> None:
        self.paths = {text: value for text, value in paths.items() if not text.isidentifier()}
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
            text = ast.unparse(node)
            if text in self.paths:
                name = f"__value{len(self.names)}"
                self.names[name] = self.paths[text]
                return ast.Name(name, ast.Load())
        return super().generic_visit(node)


class TensorValues:
    """The values of the user's tensors after the loss: as recorded, or replayed in float64."""

    def __init__(self, forward: Pass, replay: Replay | None = None) -> None:
        self.forward, self.replay = forward, replay
        self._cache: dict[int, Tensor] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """Return the value of a tensor."""
        if id(tensor) not in self._cache:
            self._cache[id(tensor)] = self._value(tensor)
        return self._cache[id(tensor)]

    def _value(self, tensor: Tensor) -> Tensor:
        replay = self.replay
        if replay is not None and replay.is_live(tensor) and id(tensor) in replay.env:
            return replay.env[id(tensor)].detach()
        if tensor.layout is not torch.strided:
            return tensor.detach()
        value = self.forward.trace.at(tensor, self.forward.end + 1).detach()
        if replay is not None and value.is_floating_point():
            return value.double()
        return value if 0 in value.stride() else value.clone()  # an expanded tensor stays so


def verdict_of(
    forward: Pass, bind: Bind, value: Tensor | None, formula: Tensor | None
) -> tuple[VerdictName | None, float | None, float | None]:
    """Return verdict, R and the largest absolute difference of one derived gradient.

    `formula` is the gradient that the lines give in float64.
    """
    index, truth = bind.index, forward.truth.get(bind.index)
    if truth is None or not isinstance(value, Tensor):
        return None, None, None
    native, noise = forward.autograd.get(index), forward.noise[index]
    verdict, ratio = judge(value.detach(), native, truth, noise, formula)
    max_abs_diff = None
    if value.shape == truth.shape:
        max_abs_diff = float((value.to(truth) - truth).abs().max()) if truth.numel() else 0.0
    return verdict, ratio, max_abs_diff
