"""What a function may define beside forward and backward: jvp, vmap, a registration with torch.

jvp     forward-mode AD. <u, jvp(v)> must be <gradient for u, v>, which is known to be right
vmap    a batch of calls must give what the calls give one by one
opcheck torch.library.opcheck's tests of a custom_op: schema, registration, fake tensors, AOT
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.inputs.values import as_text, is_floating
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.calls import tensors_of
from handgrad.checker.functions.runs.refusals import error_line
from handgrad.checker.functions.samples.sample import CheckSample

CLOSE = {torch.float64: 1e-4, torch.float32: 1e-3}
"""A rule that is wrong is off by much more, and a kernel may compute in float32."""
BATCH = 3
Rerun = Callable[[CheckSample], str]


def check_beside(
    function: Any, bench: Bench, sample: CheckSample, rerun: Rerun
) -> tuple[list[Failure], list[str]]:
    """Return failures, and notes on what was checked. `function` is as the user gave it."""
    failures: list[Failure] = []
    notes: list[str] = []
    owner = getattr(function, "__self__", None)
    checks: list[tuple[str, Callable[[Bench, CheckSample], str]]] = []
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        if owner.jvp is not torch.autograd.Function.jvp:
            checks.append(("forward-mode derivative (jvp)", _jvp))
        own_vmap = owner.vmap is not torch.autograd.Function.vmap
        if own_vmap or getattr(owner, "generate_vmap_rule", False):
            checks.append(("vmap", _vmap))
    with isolated():
        for name, check in checks:
            error = _error_of(check, bench, sample)
            if error:
                failures.append(_failure(name, error, bench, sample, rerun))
            else:
                notes.append(f"{name}: correct")
        for name, error in _opcheck(function, bench, sample):
            if error:
                failures.append(_failure(name, error, bench, sample, rerun))
            else:
                notes.append(f"{name}: passes")
    return failures, notes


def _error_of(check: Callable[[Bench, CheckSample], str], bench: Bench, sample: CheckSample) -> str:
    try:
        return check(bench, sample)
    except Exception as error:
        return f"raises {error_line(error)}"


def _jvp(bench: Bench, sample: CheckSample) -> str:
    """Return what is wrong with the forward-mode derivative, or ""."""
    values, wanted = bench.values(sample), bench.wanted(sample)
    generator = torch.Generator().manual_seed(sample.seed("tangents"))
    tangents = {i: _like(values[i], generator) for i in wanted}
    call = bench.run_reference(values, wanted)
    outputs = call.differentiable()
    upstream = [_like(call.outputs[i], generator) for i in outputs]
    right = call.gradients(outputs, upstream)
    with forward_ad.dual_level():
        duals = [
            forward_ad.make_dual(v, tangents[i]) if i in tangents else v  # type: ignore[no-untyped-call]
            for i, v in enumerate(values)
        ]
        outs = tensors_of(bench.function(*duals))
        results = [forward_ad.unpack_dual(o) for o in outs]  # type: ignore[no-untyped-call]
    terms = []
    for i, u in zip(outputs, upstream, strict=True):
        if results[i].tangent is not None:
            terms.append(_dot(results[i].tangent, u))
    got = sum(terms)
    parts = [_dot(g, tangents[i]) for i, g in zip(wanted, right, strict=True) if g is not None]
    expected, scale = sum(parts), sum(map(abs, parts))
    if abs(got - expected) <= CLOSE.get(values[wanted[0]].dtype, 1e-2) * (scale + abs(got)):
        return ""
    return f"is {got:.4g} along a random direction, expected {expected:.4g}"


def _vmap(bench: Bench, sample: CheckSample) -> str:
    """Return what is wrong with a batch of calls, or ""."""
    rows = []
    for draw in range(BATCH):
        drawn = bench.inputs.draw(sample.size_of, sample.seed(f"vmap {draw}"))
        rows.append([v.to(getattr(torch, sample.dtype)) if is_floating(v) else v for v in drawn])
    columns = list(zip(*rows, strict=True))
    dims = tuple(0 if isinstance(column[0], Tensor) else None for column in columns)
    stacked = [torch.stack(c) if isinstance(c[0], Tensor) else c[0] for c in columns]
    batched = tensors_of(torch.vmap(bench.function, in_dims=dims)(*stacked))
    singly = [tensors_of(bench.function(*row)) for row in rows]
    for i, whole in enumerate(batched):
        expected = torch.stack([one[i].detach() for one in singly])
        if whole.shape != expected.shape:
            return f"gives shape {tuple(whole.shape)}, expected {tuple(expected.shape)}"
        if not torch.allclose(whole.detach(), expected, rtol=1e-4, atol=1e-6):
            return "differs from the calls one by one"
    return ""


def _opcheck(function: Any, bench: Bench, sample: CheckSample) -> Iterator[tuple[str, str]]:
    """Yield the name of each of opcheck's tests, and its error or ""."""
    kinds: Any = (torch._ops.OpOverload, torch._library.custom_ops.CustomOpDef)
    if isinstance(function, torch._ops.OpOverloadPacket):
        function = getattr(function, function.overloads()[0])  # type: ignore[no-untyped-call]
    if not isinstance(function, kinds):
        return
    values = bench.values(sample)
    given = [
        v.clone().requires_grad_(i in bench.wanted(sample)) if isinstance(v, Tensor) else v
        for i, v in enumerate(values)
    ]
    try:
        with torch.enable_grad():
            results = torch.library.opcheck(function, tuple(given), raise_exception=False)
    except Exception as error:
        yield "opcheck", f"raises {error_line(error)}"
        return
    for test, outcome in results.items():
        passed = outcome == "SUCCESS"
        yield f"opcheck {test}", "" if passed else f"fails: {_first_line(outcome)}"


def _first_line(outcome: object) -> str:
    lines = [line.strip() for line in str(outcome).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(outcome).__name__


def _failure(name: str, error: str, bench: Bench, sample: CheckSample, rerun: Rerun) -> Failure:
    named = list(zip(bench.inputs.names, bench.values(sample), strict=True))
    return Failure(
        quantities=(name,),
        sample=str(sample),
        arrays=tuple(f"{k} {as_text(v)}" for k, v in named if isinstance(v, Tensor)),
        error=error,
        failed="Checked in this sample only.",
        again=rerun(sample),
    )


def _like(value: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    return drawn.to(value.device, value.dtype)


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double() * b.double()).sum())
