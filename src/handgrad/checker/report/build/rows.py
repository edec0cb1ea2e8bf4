"""Grades into the rows of a report, in words."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from handgrad.checker.explain.search.finding import Explanation
from handgrad.checker.passes.compare import fits
from handgrad.checker.judge.grade import Grade
from handgrad.checker.passes.find import Pass
from handgrad.checker.judge.spread import spread_of
from handgrad.checker.judge.statements import multiple_of
from handgrad.checker.record.trace import Bind, Op
from handgrad.checker.records import Place, Row


def row_of(grade: Grade, why: Explanation | None = None) -> Row:
    """Return the row of one gradient by hand; `why` is what explains it, if anything does."""
    hand = grade.hand
    assert hand.node is not None
    truth = hand.forward.truth[hand.node.index]
    statement = (
        grade.blamed.statements[0] if grade.blamed.statements else hand.own_final().statement
    )
    off = grade.verdict == "wrong" or (grade.verdict == "shape" and grade.fit is None)
    blame = "root" if grade.root or grade.lucky else "inherited" if off else None
    return Row(
        node=hand.node.name,
        hand=hand.name,
        verdict=grade.verdict,
        place=statement.place,
        statement=statement.text,
        blame=blame,  # type: ignore[arg-type]
        blamed_on=tuple(dict.fromkeys(h.name for h in grade.blamed_on)) if not grade.root else (),
        places=tuple(dict.fromkeys(s.place for s in grade.blamed.statements)),
        shape=tuple(grade.value.shape),
        expected_shape=tuple(truth.shape),
        dtype=str(grade.value.dtype).removeprefix("torch."),
        max_abs_diff=_difference(grade.value, truth),
        ratio=grade.ratio,
        message=(why and why.finding.message) or _message(grade, truth),
        cause=None if why is None else why.code,
        fix=None if why is None else why.finding.fix,
        fix_at=None if why is None else why.finding.at,
        fix_adds=why is not None and why.finding.adds,
        checked=None if why is None else why.checked,
        spread=spread_of(grade, truth),
    )


def missing_rows(
    forward: Pass, graded: Sequence[Grade], consumers: Mapping[int, set[int]]
) -> list[Row]:
    """Return a row for each node still without a gradient by hand, the last of the forward first.

    A node that a fused gradient passes over is not missing: all that it is computed from has one.
    `consumers` says what is computed from each node, by the ids of the tensors.
    """
    nodes = [b for b in forward.nodes() if b.kind != "param" and b.index in forward.truth]
    nodes = [b for b in nodes if b.value.requires_grad or forward.backward is None]
    whole = {id(g.hand.node.value) for g in graded if g.hand.node and not g.unfinished}
    done = whole | {id(g.hand.node.value) for g in graded if g.hand.node}
    parents: dict[int, set[int]] = {}
    for source, made in consumers.items():
        for number in made:
            parents.setdefault(number, set()).add(source)
    passed = set(whole)
    for node in nodes:  # in program order: what a node is computed from comes before it
        above = parents.get(id(node.value))
        if above and above <= passed:
            passed.add(id(node.value))
    skipped = done | passed | {id(t) for t in forward.outputs}
    names = {g.hand.node.name for g in graded if g.hand.node is not None}
    rows: dict[str, Row] = {}
    for node in reversed(nodes):
        if id(node.value) not in skipped and node.name not in names | rows.keys():
            skipped.add(id(node.value))
            rows[node.name] = _missing(node, forward.truth[node.index])
    return list(rows.values())


def _missing(node: Bind, truth: Tensor) -> Row:
    dtype = str(node.value.dtype).removeprefix("torch.")
    return Row(node.name, None, "missing", expected_shape=tuple(truth.shape), dtype=dtype)


def _message(grade: Grade, truth: Tensor) -> str | None:
    """Return what to say about it, one sentence after another; None where it is plainly right."""
    said: list[str] = []
    if grade.hand.claim in ("value", "compared") and grade.verdict != "wrong":
        said.append(f"{grade.hand.name} is the gradient of {_node(grade)}.")
    if grade.verdict == "shape" and grade.fit is None and not grade.root:
        said.append(_inherited(grade))
    elif grade.verdict == "shape" or (grade.fit is not None and grade.root):
        said.append(_shape(grade, truth))
    elif grade.root:
        said += _root(grade, truth)
    elif grade.lucky is not None:
        said.append("Right only by luck of these inputs.")
        said.append(_example(*grade.lucky, given="other"))
    elif grade.verdict == "wrong":
        said.append(_inherited(grade))
    elif grade.unfinished:
        said.append(f"Right as far as it goes: the branch through {_and(grade.unread)} is to come.")
    return " ".join(said) or None


def _node(grade: Grade) -> str:
    assert grade.hand.node is not None
    return grade.hand.node.name


def _shape(grade: Grade, truth: Tensor) -> str:
    mend = grade.fit.mend if grade.fit else next(iter(fits(grade.value, truth.shape))).mend
    inherited = f" (its values come out of {_names(grade)})" if grade.blamed_on else ""
    return (
        f"The value is right{inherited}, its shape is {_list(grade.value)} where "
        f"{_node(grade)} has {_list(truth)}: {mend} mends it."
    )


def _factor(grade: Grade, truth: Tensor) -> float | None:
    """Return the one number that separates the gradient from the truth, if that is all."""
    assert grade.hand.node is not None
    if grade.outcome is None or grade.outcome.shape != truth.shape:
        return None
    noise = grade.hand.forward.noise[grade.hand.node.index]
    return multiple_of(grade.outcome, truth, noise)


def _root(grade: Grade, truth: Tensor) -> list[str]:
    name, said = grade.hand.name, []
    lines = _lines([s.place for s in grade.blamed.statements])
    if grade.alias is not None and grade.alias.place == grade.blamed.statements[0].place:
        said.append(f"{name} was right until {lines} wrote into its memory under another name.")
    elif grade.blamed.twice:
        said.append(f"{lines} adds a branch of {name} that is there already.")
    elif grade.blamed.added is not None and grade.blamed.missing:
        said.append(f"{name} lacks {_through(grade.blamed.missing)}.")
    elif len(grade.blamed.statements) > 1 and (factor := _factor(grade, truth)):
        said.append(f"{lines}: all of {name} is {factor:.4g} times what is right.")
    elif len(grade.blamed.statements) > 1:
        said.append(f"{lines}: none of these adds a branch of the gradient of {_node(grade)}.")
    if grade.outcome is not None and grade.outcome.shape == truth.shape:
        said.append(_example(grade.outcome, truth))
    elif grade.outcome is not None:
        said.append(f"It gives {_list(grade.outcome)} where {_node(grade)} has {_list(truth)}.")
    if grade.unjudged:
        said.append(
            f"It reads {_and(grade.unjudged)}, the gradient of no tensor that has a name: "
            f"not judged, so the mistake may be there."
        )
    if grade.right:
        said.insert(0, "The value is right only because two mistakes cancel, one of them here.")
    return said


def _example(outcome: Tensor, truth: Tensor, given: str = "right") -> str:
    """Name the element that is furthest off, as it would be if all upstream of it were right."""
    far = (outcome - truth).abs().nan_to_num(nan=torch.inf)
    at = [int(i) for i in torch.unravel_index(far.argmax(), truth.shape)]
    where = f" at {at}" if at else ""
    got, right = float(outcome[tuple(at)]), float(truth[tuple(at)])
    shown = next((d for d in (4, 6, 9) if f"{got:.{d}g}" != f"{right:.{d}g}"), 17)
    return (
        f"Given {given} gradients upstream it makes {got:.{shown}g}{where} "
        f"where {right:.{shown}g} is right."
    )


def _inherited(grade: Grade) -> str:
    if not grade.blamed_on:
        return "The formula is right; the value that it had when the file ran is not."
    return f"The line is right and inherits the error of {_names(grade)}."


def _names(grade: Grade) -> str:
    return _and([h.name for h in grade.blamed_on])


def _and(many: Sequence[str]) -> str:
    names = list(dict.fromkeys(many))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _through(ops: Sequence[Op]) -> str:
    names = dict.fromkeys(getattr(op.func, "__name__", "?").strip("_") for op in ops)
    return f"what comes back through {' and '.join(names)}"


def _lines(places: Sequence[Place]) -> str:
    numbers = [str(p.line) for p in dict.fromkeys(places)]
    return f"{'line' if len(numbers) == 1 else 'lines'} {_and(numbers)}"


def _list(value: Tensor) -> str:
    return f"({', '.join(str(size) for size in value.shape)}{',' if value.dim() == 1 else ''})"


def _difference(value: Tensor, truth: Tensor) -> float | None:
    for value in [value] if value.shape == truth.shape else (f.value for f in fits(value, truth.shape)):  # fmt: skip # noqa: B020, E501
        difference = (value.to(truth) - truth).abs()
        return float(difference.max()) if difference.numel() else 0.0
    return None
