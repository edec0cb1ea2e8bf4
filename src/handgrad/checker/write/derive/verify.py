"""Derived lines run where they are to stand, and judged as `handgrad check` judges.

They run on the values that the user's tensors had when the loss was computed, once as they are and
once in float64, so that what rounding explains is told from what it does not.
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


class Run:
    """The names after the lines have run; `failed` is what each line that raised said."""

    def __init__(
        self,
        lines: Sequence[str],
        refs: References,
        values: "Values",
        given: Mapping[str, Tensor],
    ) -> None:
        self.names: dict[str, Any] = {"torch": torch, **refs.names, **given}
        self.failed: dict[str, str] = {}
        stands = {text: values.of(tensor) for text, tensor in refs.paths.items()}
        for name, held in refs.names.items():
            if isinstance(held, Tensor) and name not in given:
                self.names[name] = values.of(held)
        with torch._C.DisableTorchFunction(), torch.no_grad():
            for line in lines:
                if line and not line.startswith("#"):
                    self._run(line, stands)

    def _run(self, line: str, stands: Mapping[str, Tensor]) -> None:
        tree = _Paths(stands, self.names).visit(ast.parse(line))
        try:
            exec(compile(ast.fix_missing_locations(tree), "<derived>", "exec"), self.names)
        except Exception as error:
            self.failed[line] = f"{type(error).__name__}: {str(error).splitlines()[0]}"


class _Paths(ast.NodeTransformer):
    """Puts the value that stood there for `model.fc1.weight`, whatever stands there now."""

    def __init__(self, stands: Mapping[str, Tensor], names: dict[str, Any]) -> None:
        self.stands = {t: v for t, v in stands.items() if not t.isidentifier()}
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
            text = ast.unparse(node)
            if text in self.stands:
                name = f"__value{len(self.names)}"
                self.names[name] = self.stands[text]
                return ast.Name(name, ast.Load())
        return super().generic_visit(node)


class Values:
    """The user's tensors as they stood after the loss, as they are or in float64."""

    def __init__(self, forward: Pass, replay: Replay | None = None) -> None:
        self.forward, self.replay = forward, replay
        self._held: dict[int, Tensor] = {}

    def of(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._held:
            self._held[id(tensor)] = self._value(tensor)
        return self._held[id(tensor)]

    def _value(self, tensor: Tensor) -> Tensor:
        replay = self.replay
        if replay is not None and replay.is_live(tensor) and id(tensor) in replay.env:
            return replay.env[id(tensor)].detach()
        if tensor.layout is not torch.strided:
            return tensor.detach()
        value = self.forward.trace.at(tensor, self.forward.end + 1).detach()
        if self.replay is not None and value.is_floating_point():
            return value.double()
        return value.clone() if not _is_expanded(value) else value


def _is_expanded(value: Tensor) -> bool:
    return 0 in value.stride()


def verdict_of(
    forward: Pass, bind: Bind, value: Tensor | None, formula: Tensor | None
) -> tuple[VerdictName | None, float | None, float | None]:
    """Return verdict, R and the largest difference of one derived gradient."""
    truth = forward.truth.get(bind.index)
    if truth is None or not isinstance(value, Tensor):
        return None, None, None
    verdict, ratio = judge(
        value.detach(), forward.autograd.get(bind.index), truth, forward.noise[bind.index], formula
    )
    far = None
    if value.shape == truth.shape:
        far = float((value.to(truth) - truth).abs().max()) if truth.numel() else 0.0
    return verdict, ratio, far
