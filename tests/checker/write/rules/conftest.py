"""Record forward lines, undo them by RULES, and run the result."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from checker.sessions import run
from handgrad.checker.passes.find import find_passes
from handgrad.checker.session import Session
from handgrad.checker.write.compose.branches import loss_names
from handgrad.checker.write.compose.graph import Graph
from handgrad.checker.write.compose.references import References
from handgrad.checker.write.derive.derive import laid_out, nodes_of
from handgrad.checker.write.derive.verify import ExecutedLines, TensorValues
from handgrad.checker.write.derive.writer import Writer, seed_of


def draws(**shapes):
    g = torch.Generator().manual_seed(7)
    return {
        name: torch.randn(shape, generator=g, dtype=torch.float64) for name, shape in shapes.items()
    }


def names():
    """Return the tensors that the cases use: see cases.py."""
    leaves = draws(a=(5, 3), b=(1, 3), col=(5, 1), v=3, w=5, one=1, s=(), t3=(2, 5, 3), sq=(3, 3),
                wide=(5, 6), v2=3, v6=6, t33=(2, 3, 3), t3x=(3, 3, 3), conv1=(7, 5, 2), w7=7,
                conv2=(3, 2, 3, 3))  # fmt: skip
    positive = draws(p=(5, 3), u=(5, 3), u2=(5, 3), q=(3, 5), r=(5, 6))
    leaves["p"] = positive["p"].abs() + 0.3
    leaves["u"] = positive["u"].sigmoid()
    leaves["u2"] = positive["u2"].sigmoid() * 0.5
    leaves["turned"] = positive["q"].T
    leaves["strided"] = positive["r"][:, ::2]
    leaves["ties"] = torch.tensor([[1.0, 3.0, 3.0], [3.0, 0.5, 0.2]], dtype=torch.float64)
    leaves = {name: value.requires_grad_() for name, value in leaves.items()}
    g = torch.Generator().manual_seed(1)
    return leaves | {
        "i3": torch.tensor([2, 0, 1, 1, 2]),
        "i5": torch.tensor([4, 0, 3, 3, 1]),
        "i5x2": torch.tensor([[2, 0], [1, 1], [0, 2], [0, 0], [2, 1]]),
        "i2x2": torch.tensor([[4, 0], [0, 1]]),
        "perm5": torch.tensor([3, 0, 4, 1, 2]),
        "mask": torch.rand((5, 3), generator=g) < 0.4,
        "k": 3,
        "torch": torch,
        "F": F,
        "__name__": "__main__",
    }


@dataclass
class Undone:
    """The lines for a forward pass, their gradients, and those of autograd."""

    lines: list[str]
    missing: list[str]
    failed: dict[str, str]
    gradients: dict[str, torch.Tensor]
    autograd: dict[str, torch.Tensor]

    def __str__(self):
        return "\n".join([*self.lines, *self.missing, *self.failed.values()])


def undone(source, space=None):
    """Derive and run the backward lines of `source`, which ends in `loss`."""
    session = Session()
    space = names() if space is None else space
    torch.manual_seed(5)
    run(session, source, space)
    assert session.recorder.failures == []
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        (forward,) = find_passes(session.recorder.trace, {})
        graph = Graph(forward)
        refs = References(graph, loss_names(graph))
        nodes = nodes_of(graph, refs)
        writer = Writer(graph, refs, seed_of(graph))
        derived = writer.write()
        lines = laid_out(derived)
        executed = ExecutedLines(lines, refs, TensorValues(forward), {})
        leaves = [v for v, _ in nodes if v.op is None]
        expected = torch.autograd.grad(space["loss"], [v.tensor for v in leaves], allow_unused=True)
    pairs = [(v, g) for v, g in zip(leaves, expected, strict=True) if g is not None]
    autograd = {derived.gradients.get(id(v), "?"): g for v, g in pairs}
    gradients = {name: executed.names.get(name) for name in autograd}
    missing = [reason for _, reason in derived.missing]
    return Undone(lines, missing, executed.failed, gradients, autograd)
