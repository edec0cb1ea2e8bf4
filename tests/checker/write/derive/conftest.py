"""Derive forward passes in this process, and check the derived lines as a script."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from handgrad.checker.report.report import Report
from handgrad.checker.session import Session
from handgrad.checker.write.derive.derive import choose_pass, derive_pass
from handgrad.checker.write.derive.records import Derivation

START = """\
import torch
import torch.nn.functional as F
torch.manual_seed(1)
"""


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Use one thread: the tensors are small, and test workers share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recorded(source: str, names: Mapping[str, Any] | None = None) -> Session:
    """Return a session that has recorded a run of the script."""
    session = Session()
    space = {"torch": torch, "F": F, **(names or {}), "__name__": "__main__"}
    space["__handgrad__"] = session.hook
    tree = session.transform(ast.parse(source), None, source)
    with session.recording():
        exec(compile(tree, "f.py", "exec"), space)
    assert session.recorder.failures == []
    return session


def derived(source: str, names: Mapping[str, Any] | None = None, fused: bool = False) -> Derivation:
    """Derive the pass of a script."""
    trace = recorded(source, names).recorder.trace
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        return derive_pass(choose_pass(trace, "f.py"), "f.py", fused)


def pasted(source: str, derivation: Derivation, names: Mapping[str, Any] | None = None) -> Report:
    """Check the forward pass with the derived lines below it."""
    end = "" if "backward(" in source else "loss.backward()\n"
    return recorded(f"{source}{end}{derivation}", names).finish("f.py")


def verdicts(derivation: Derivation) -> dict[str, str | None]:
    return {g.name: g.verdict for g in derivation.gradients}


def off(derivation: Derivation) -> list[object]:
    """Return what is missing or wrong; [] if every gradient is right."""
    wrong = [(g.name, g.verdict, g.ratio) for g in derivation.gradients if not g.right]
    return [*wrong, *derivation.missing] or ([] if derivation.gradients else ["no gradients"])
