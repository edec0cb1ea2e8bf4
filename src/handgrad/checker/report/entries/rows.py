"""Grades as the rows of a report, in words."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from handgrad.checker.explain.search.finding import Explanation
from handgrad.checker.judge.copied import is_copied
from handgrad.checker.judge.grade import Grade
from handgrad.checker.judge.spread import spread_of
from handgrad.checker.passes.compare import Fit, fits, multiple_of
from handgrad.checker.passes.truth import Pass
from handgrad.checker.record.carriers import is_array
from handgrad.checker.record.trace import Op, key_of
from handgrad.checker.records import BlameName, Row
from handgrad.checker.write.dialect import in_numpy
from handgrad.text import listed


def row_of(grade: Grade, explanation: Explanation | None = None) -> Row:
    """Return the row of one gradient by hand, with what explains it, if anything does."""
    hand = grade.hand
    truth = hand.forward.truth[hand.node.index]
    blamed = grade.blamed.statements
    statement = blamed[0] if blamed else hand.own_final().statement
    finding = None if explanation is None else explanation.finding
    return Row(
        node=hand.node.name,
        hand=hand.name,
        verdict=grade.verdict,
        place=statement.place,
        statement=statement.text,
        blame=_blame(grade),
        blamed_on=tuple(dict.fromkeys(h.name for h in grade.blamed_on)) if not grade.root else (),
        places=tuple(dict.fromkeys(s.place for s in blamed)),
        shape=tuple(grade.value.shape),
        expected_shape=tuple(truth.shape),
        dtype=_dtype_of(grade.value),
        max_abs_diff=_difference(grade, truth),
        ratio=grade.ratio,
        message=(finding and finding.message) or _message(grade, truth),
        cause=None if explanation is None else explanation.code,
        fix=None if finding is None else finding.fix,
        fix_at=None if finding is None else finding.at,
        fix_adds=finding is not None and finding.adds,
        checked=None if explanation is None else explanation.checked,
        spread=spread_of(grade, truth),
        unfinished=grade.unfinished,
        copied=is_copied(grade),
    )


def _blame(grade: Grade) -> BlameName | None:
    if grade.root or grade.lucky:
        return "root"
    off = grade.verdict == "wrong" or (grade.verdict == "shape" and grade.fit is None)
    return "inherited" if off else None


def missing_rows(
    forward: Pass, graded: Sequence[Grade], consumers: Mapping[int, set[int]]
) -> list[Row]:
    """Return a row for each node without a gradient by hand yet, the last of the forward first.

    A node that a fused gradient skips is not missing: everything that it is computed from has a
    gradient. `consumers` are the nodes computed from each node, by the ids of the tensors.
    """
    nodes = [b for b in forward.nodes() if b.kind != "param" and b.index in forward.truth]
    nodes = [b for b in nodes if b.value.requires_grad or forward.backward is None]
    if forward.asked is not None:
        nodes = [b for b in nodes if key_of(b.value) in forward.asked]
    passed = {id(g.hand.node.value) for g in graded if not g.unfinished}
    parents: dict[int, set[int]] = {}
    for source, results in consumers.items():
        for number in results:
            parents.setdefault(number, set()).add(source)
    known = {id(b.value) for b in nodes}
    for node in nodes:  # in program order: what a node is computed from comes before it
        above = parents.get(id(node.value), set()) & known
        if above and above <= passed:
            passed.add(id(node.value))
    passed |= {part.number for n, part in forward.parts_of.items() if n in passed}
    skipped = passed | {id(g.hand.node.value) for g in graded} | {id(t) for t in forward.outputs}
    names = {g.hand.node.name for g in graded}
    rows: dict[str, Row] = {}
    for node in reversed(nodes):
        if id(node.value) not in skipped and node.name not in names | rows.keys():
            skipped.add(id(node.value))
            shape, dtype = tuple(forward.truth[node.index].shape), _dtype_of(node.value)
            rows[node.name] = Row(node.name, None, "missing", expected_shape=shape, dtype=dtype)
    return list(rows.values())


def _dtype_of(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _message(grade: Grade, truth: Tensor) -> str | None:
    """Return what there is to say, in one or more sentences; None where all is plainly right."""
    sentences: list[str] = []
    if grade.hand.claim in ("value", "compared") and grade.verdict != "wrong":
        sentences.append(f"{grade.hand.name} is the gradient of {grade.hand.node.name}.")
    if grade.verdict == "shape" and grade.fit is None and not grade.root:
        sentences.append(_inherited(grade))
    elif grade.verdict == "shape" or (grade.fit is not None and grade.root):
        sentences.append(_shape(grade, truth))
    elif grade.root:
        sentences += _root(grade, truth)
    elif grade.lucky is not None:
        sentences.append("Correct only for these inputs.")
        sentences.append(_example(*grade.lucky, upstream="other"))
    elif grade.verdict == "wrong":
        sentences.append(_inherited(grade))
    elif grade.unfinished:
        missing = listed(dict.fromkeys(grade.unread))
        sentences.append(f"Correct so far; the contribution through {missing} is still missing.")
    return " ".join(sentences) or None


def _shape(grade: Grade, truth: Tensor) -> str:
    fit = grade.fit or next(iter(fits(grade.value, truth.shape)))
    inherited = f" (given the error of {_culprits(grade)})" if grade.blamed_on else ""
    return (
        f"The value is correct{inherited}, but its shape is {_shape_of(grade.value)} and "
        f"{grade.hand.node.name} has shape {_shape_of(truth)}: "
        f"{correction(grade, fit)} corrects it."
    )


def correction(grade: Grade, fit: Fit) -> str:
    """Return what gives a gradient its shape, in NumPy's words where the program has them."""
    if not is_array(grade.hand.own_final().value):
        return fit.correction
    if not fit.correction.startswith("."):
        return "keepdims=True"
    return in_numpy(f"{grade.hand.name}{fit.correction}")


def _factor(grade: Grade, truth: Tensor) -> float | None:
    """Return the one number that the gradient is off by as a factor, if that is all."""
    if grade.outcome.shape != truth.shape:
        return None
    return multiple_of(grade.outcome, truth, grade.hand.forward.noise[grade.hand.node.index])


def _root(grade: Grade, truth: Tensor) -> list[str]:
    name, node, blame = grade.hand.name, grade.hand.node.name, grade.blamed
    if grade.unjudged and blame.statements[-1] not in (b.statement for b in grade.hand.binds):
        return [_unjudged(grade)]
    sentences: list[str] = []
    numbers = dict.fromkeys(statement.place.line for statement in blame.statements)
    lines = f"line{'s' if len(numbers) > 1 else ''} {listed(numbers)}"
    if grade.alias is not None and grade.alias.place == blame.statements[0].place:
        sentences.append(
            f"{name} was correct until {lines} wrote to its memory through another name."
        )
    elif blame.twice:
        sentences.append(f"{lines} adds a contribution to {name} that has been added already.")
    elif blame.added is not None and blame.missing:
        sentences.append(f"{name} lacks {_through(blame.missing)}.")
    elif len(blame.statements) > 1 and (factor := _factor(grade, truth)):
        sentences.append(f"{lines}: {name} is {factor:.4g} times the correct gradient.")
    elif len(blame.statements) > 1:
        sentences.append(f"{lines}: none of these adds a contribution to the gradient of {node}.")
    if grade.outcome.shape == truth.shape:
        sentences.append(_example(grade.outcome, truth))
    else:
        sentences.append(
            f"It gives shape {_shape_of(grade.outcome)}; {node} has shape {_shape_of(truth)}."
        )
    if grade.unjudged:
        sentences.append(
            f"It reads {listed(dict.fromkeys(grade.unjudged))}, which belongs to no named tensor "
            f"and is not judged: the mistake may be there."
        )
    if grade.right:
        sentences.insert(
            0, "The value is correct only because two mistakes cancel, one of them here."
        )
    return sentences


def _unjudged(grade: Grade) -> str:
    """Say that a tensor which is not judged is to blame, or may be."""
    name, read = grade.hand.name, grade.unjudged[0]
    lines = [statement.place.line for statement in grade.blamed.statements]
    if len(lines) == 1:
        return (
            f"{name} is wrong, and so is every other gradient that is computed from {read}: the "
            f"mistake is in {read}, which belongs to no named tensor."
        )
    return (
        f"{name} is wrong. The mistake is here or on line {lines[-1]}, which computes {read}: it "
        f"belongs to no named tensor and is not judged."
    )


def _example(outcome: Tensor, truth: Tensor, upstream: str = "correct") -> str:
    """Name the element that is furthest off when everything upstream is correct."""
    far = (outcome - truth).abs().nan_to_num(nan=torch.inf)
    at = [int(i) for i in torch.unravel_index(far.argmax(), truth.shape)]
    where = f" at {at}" if at else ""
    got, expected = float(outcome[tuple(at)]), float(truth[tuple(at)])
    digits = next((d for d in (4, 6, 9) if f"{got:.{d}g}" != f"{expected:.{d}g}"), 17)
    return (
        f"With {upstream} upstream gradients this line gives {got:.{digits}g}{where}; "
        f"expected {expected:.{digits}g}."
    )


def _inherited(grade: Grade) -> str:
    if not grade.blamed_on:
        return "The formula is correct, but its value when the file ran is not."
    return f"The line is correct and inherits the error of {_culprits(grade)}."


def _culprits(grade: Grade) -> str:
    return listed(dict.fromkeys(h.name for h in grade.blamed_on))


def _through(ops: Sequence[Op]) -> str:
    names = dict.fromkeys(getattr(op.func, "__name__", "?").strip("_") for op in ops)
    return f"the contribution{'s' if len(names) > 1 else ''} through {listed(names)}"


def _shape_of(value: Tensor) -> str:
    return f"({', '.join(str(size) for size in value.shape)}{',' if value.dim() == 1 else ''})"


def _difference(grade: Grade, truth: Tensor) -> float | None:
    """Return the largest |by hand - truth|, in the first shape that fits; None where none does."""
    value = grade.value
    same = value.shape == truth.shape
    fitted = value if same else next((f.value for f in fits(value, truth.shape)), None)
    if fitted is None or (value.numel() < truth.numel() and grade.verdict == "wrong"):
        return None
    difference = (fitted.to(truth) - truth).abs()
    return float(difference.max()) if difference.numel() else 0.0
