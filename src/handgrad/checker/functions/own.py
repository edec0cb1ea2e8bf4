"""Causes without a reference: the function's own forward, run by autograd, takes its place.

Only where forward is made of torch operations: its gradients by autograd must agree with the
numeric ones.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from handgrad.checker.functions.body import Context
from handgrad.checker.functions.diagnose import diagnose
from handgrad.checker.functions.inputs.isolation import isolated
from handgrad.checker.functions.report.records import Failure
from handgrad.checker.functions.runs.bench import Bench
from handgrad.checker.functions.runs.explore import Explored
from handgrad.checker.functions.runs.trial import run
from handgrad.checker.functions.samples.sample import CheckSample


def own_forward(function: Any) -> Callable[..., Any] | None:
    """Return the forward of an autograd.Function as a plain function; None if it is none."""
    cls = getattr(function, "__self__", None)
    if not isinstance(cls, type) or not issubclass(cls, torch.autograd.Function):
        return None
    if cls.setup_context is not torch.autograd.Function.setup_context:
        return cls.forward

    def forward(*inputs: Any) -> Any:
        return cls.forward(Context(len(inputs)), *inputs)

    return forward


def with_causes(
    bench: Bench,
    failures: Sequence[Failure],
    sample_of: Mapping[str, CheckSample],
    agrees: Callable[[Bench, CheckSample], bool],
) -> list[Failure]:
    """Return the failures with their causes; those that share one are one failure.

    `agrees`: whether the gradients of a bench's function are the numeric ones in a sample.
    """
    forward = own_forward(bench.function)
    if forward is None:
        return list(failures)
    known: dict[str, list[Failure]] = {}
    for text in dict.fromkeys(failure.sample for failure in failures):
        is_right = agrees(replace(bench, function=forward), sample_of[text])
        known[text] = _diagnosed(replace(bench, reference=forward), sample_of[text], is_right)
    merged: dict[object, Failure] = {}
    for failure in failures:
        one = _caused(failure, known[failure.sample])
        same = merged.setdefault((one.code, one.message) if one.code else id(failure), one)
        if same is not one:
            quantities = (*same.quantities, *one.quantities)
            merged[one.code, one.message] = replace(same, quantities=quantities)
    return list(merged.values())


def _diagnosed(bench: Bench, sample: CheckSample, is_right: bool) -> list[Failure]:
    """Return what the bench's reference tells about one sample."""
    if not is_right:
        return []
    with suppress(Exception), isolated():
        trial = run(bench, sample).forget()
        return diagnose(bench, Explored(sample, (sample.dtype,), (trial,)), lambda _: "")
    return []


def _caused(failure: Failure, known: Sequence[Failure]) -> Failure:
    for one in known:
        if set(failure.quantities) <= set(one.quantities):
            message, fix = (
                text and text.replace("the reference", "forward") for text in (one.message, one.fix)
            )
            return replace(
                failure, code=one.code, name=one.name, message=message, fix=fix, lines=one.lines
            )
    return failure
