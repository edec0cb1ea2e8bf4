"""The rules that decide whether a kernel is right, as their projects apply them."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

import handgrad
from benchmarks.gates.kernels import Kernel, kernels
from handgrad.checker.functions.gate.gate import Question, judge
from handgrad.checker.functions.gate.zygote import Zygote
from handgrad.checker.functions.inputs.specs import specified

USUAL = {"B": 16, "C": 4096, "N": 32, "V": 100, "I": 64, "O": 48, "T": 32, "S": 40, "D": 64}
SMALL = {"B": 4, "C": 6, "N": 5, "V": 7, "I": 4, "O": 3, "T": 4, "S": 5, "D": 6}
FACTORS = {torch.float32: 2.0, torch.bfloat16: 3.0}
"""Of the eager reference's error, allowed by torchtitan's rule (and torch._dynamo.utils.same)."""
FLOOR = 1e-5
"""What that adds to it."""


def drawn(kernel: Kernel, sizes: dict[str, int], dtype: torch.dtype, seed: int) -> list[Tensor]:
    """Return the inputs, of which the floating ones require a gradient."""
    values = specified(kernel.inputs, ()).draw(sizes, seed)
    return [v.to(dtype).requires_grad_() if v.is_floating_point() else v for v in values]


def results(function: Callable[..., Any], values: list[Tensor], seed: int = 0) -> list[Tensor]:
    """Return the output, and the gradients for a random upstream gradient."""
    given = [v.detach().clone().requires_grad_(v.requires_grad) for v in values]
    out = function(*given)
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out.dtype)
    wanted = [v for v in given if v.requires_grad]
    gradients = torch.autograd.grad(out, wanted, upstream, allow_unused=True)
    zeros = [torch.zeros_like(v) for v in wanted]
    return [out.detach(), *(z if g is None else g for g, z in zip(gradients, zeros, strict=True))]


def gradcheck(kernel: Kernel) -> bool:
    """torch.autograd.gradcheck at its defaults, on small float64 inputs."""
    values = drawn(kernel, SMALL, torch.float64, 0)
    return bool(torch.autograd.gradcheck(kernel.apply, values, raise_exception=False))


def assert_close(kernel: Kernel) -> bool:
    """torch.testing.assert_close at its defaults in float32: output and gradients."""
    values = drawn(kernel, USUAL, torch.float32, 0)
    pairs = zip(results(kernel.apply, values), results(kernel.reference, values), strict=True)
    try:
        for got, expected in pairs:
            torch.testing.assert_close(got, expected)
    except AssertionError:
        return False
    return True


def kernelbench(kernel: Kernel) -> bool:
    """KernelBench: the output for inputs from torch.rand, allclose with atol = rtol = 1e-2."""
    for seed in range(5):
        torch.manual_seed(seed)
        values = [torch.rand_like(v).detach() if v.requires_grad else v
                  for v in drawn(kernel, USUAL, torch.float32, seed)]  # fmt: skip
        got, expected = kernel.apply(*[v.clone() for v in values]), kernel.reference(*values)
        if got.shape != expected.shape or not torch.allclose(got, expected, atol=1e-2, rtol=1e-2):
            return False
    return True


def robust_kbench(kernel: Kernel) -> bool:
    """robust-kbench: output and gradients, float32, five draws, allclose, atol = rtol = 1e-5."""
    for seed in range(5):
        values = drawn(kernel, USUAL, torch.float32, seed)
        got, expected = results(kernel.apply, values), results(kernel.reference, values)
        if not all(torch.allclose(g, e, atol=1e-5, rtol=1e-5)
                   for g, e in zip(got, expected, strict=True)):  # fmt: skip
            return False
    return True


def torchtitan(kernel: Kernel) -> bool:
    """torchtitan: RMS error against float64 at most 2 (3 in bfloat16) times the eager one's."""
    for dtype, factor in FACTORS.items():
        values = drawn(kernel, USUAL, dtype, 0)
        wide = [v.detach().double().requires_grad_() if v.requires_grad else v for v in values]
        truth = results(kernel.reference, wide)
        rows = zip(
            results(kernel.apply, values), results(kernel.reference, values), truth, strict=True
        )
        for got, eager, right in rows:
            error, own = (float((t.double() - right).square().mean().sqrt()) for t in (got, eager))
            if not error <= factor * own + FLOOR:
                return False
    return True


def ours(kernel: Kernel) -> bool:
    """handgrad.check_function at its defaults."""
    return handgrad.check_function(kernel.apply, kernel.reference, kernel.inputs).ok


def gate(kernel: Kernel) -> bool:
    """handgrad check-function. A forward may call the torch function that is the reference."""
    number = [k.name + k.wrong for k in kernels()].index(kernel.name + kernel.wrong)
    question = Question(
        f"benchmarks.gates.candidates:k{number:02}",
        f"benchmarks.gates.references:k{number:02}",
        kernel.inputs,
        seed=1,
        allowed=("reference",),
    )
    return judge(question, str, _zygote()).verdict == "right"


@cache
def _zygote() -> Zygote:
    return Zygote()


RULES: dict[str, Callable[[Kernel], bool]] = {
    "gradcheck": gradcheck,
    "assert_close": assert_close,
    "KernelBench": kernelbench,
    "robust-kbench": robust_kbench,
    "torchtitan": torchtitan,
    "check_function": ours,
    "check-function": gate,
}


def judged(kernel: Kernel, rule: str) -> tuple[bool, float]:
    """Return whether a rule accepts a kernel, and how many seconds that took."""
    torch.manual_seed(0)
    start = time.perf_counter()
    try:
        accepted = RULES[rule](kernel)
    except Exception:  # a test that raises has failed
        accepted = False
    return accepted, time.perf_counter() - start
