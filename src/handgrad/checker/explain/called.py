"""Mistakes inside a function that several gradients are computed with: one line is to blame.

`da2 = tanh_back(dh2, h2)` and `da1 = tanh_back(dh1, h1)` are wrong because of one line of
`tanh_back`. Its corrected line must make all of them correct, and leave correct what is.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from handgrad.checker.explain.search.finding import Explanation, Finding
from handgrad.checker.explain.search.frames import Site
from handgrad.checker.explain.search.gather import suspects
from handgrad.checker.explain.search.helpers import Helper
from handgrad.checker.explain.search.names import PURE
from handgrad.checker.explain.search.scene import BackwardContext
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.judge.grade import Grade
from handgrad.checker.record.instrument import Statement
from handgrad.checker.record.trace import Bind, Op
from handgrad.text import listed

EXCHANGED = "HG107"
"""The cause of another tensor of the same shape."""
LINES = 12
"""Of a longer function, only the last lines are tried."""
Explain = Callable[[Suspect, bool], Explanation | None]
"""Explains one suspect: by an edit alone, or also by a line that the rules of differentiation give.
"""


@dataclass(frozen=True, eq=False)
class InFunction:
    """A line of a function that is to blame for several gradients; the first one stands for all."""

    numbers: tuple[int, ...]
    statement: Statement
    explanation: Explanation


def in_functions(
    roots: Sequence[Grade], right: Sequence[Grade], backward: BackwardContext, explain: Explain
) -> list[InFunction]:
    """Return the lines inside functions that are to blame for the roots."""
    wrong = [site for grade in roots if (site := site_of(grade, backward)) is not None]
    if not wrong:
        return []
    correct = [site for grade in right if (site := site_of(grade, backward)) is not None]
    found: list[InFunction] = []
    done: set[int] = set()
    for site in wrong:
        if site.suspect.hand.number in done:
            continue
        blamed = _blamed(site, wrong, correct, explain)
        if blamed is not None:
            found.append(blamed)
            done.update(blamed.numbers)
    return found


def called_names(text: str) -> list[str]:
    """Return the names of the functions that a statement calls."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = (getattr(function, "id", getattr(function, "attr", None)) for function in called)
    return [name for name in names if name is not None]


def _read(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def words(text: str) -> list[str]:
    """Return the words and signs of a line."""
    return re.findall(r"\w+|\S", text)


def with_functions(grades: Sequence[Grade], blamed: Sequence[InFunction]) -> list[Grade]:
    """Return the grades with those lines blamed: once each, by the first gradient of each."""
    by_number = {grade.hand.number: grade for grade in grades}
    first: dict[int, Grade] = {}
    for line in blamed:
        source = by_number[line.numbers[0]]
        statements = (line.statement,)
        by_number[line.numbers[0]] = replace(
            source, blamed=replace(source.blamed, statements=statements)
        )
        for number in line.numbers[1:]:
            first[number] = source
    for number, source in first.items():
        by_number[number] = replace(by_number[number], root=False, blamed_on=(source.hand,))
    return [_moved(grade, first) for grade in by_number.values()]


def _moved(grade: Grade, first: Mapping[int, Grade]) -> Grade:
    hands = [first[h.number].hand if h.number in first else h for h in grade.blamed_on]
    return replace(grade, blamed_on=tuple(dict.fromkeys(hands)))


def site_of(grade: Grade, backward: BackwardContext) -> Site | None:
    """Return the statement to blame if it calls functions that can run again."""
    if grade.alias is not None or len(grade.blamed.statements) > 1:
        return None
    suspect = next(iter(suspects(grade, backward)), None)
    return None if suspect is None else Site.of(suspect)


def _blamed(
    site: Site, wrong: Sequence[Site], correct: Sequence[Site], explain: Explain
) -> InFunction | None:
    """Return the line of a function that is wrong, rather than the call.

    Where others that call the function are correct, or another name in the one call makes it so,
    the call is wrong.
    """
    alone = {h.key for h in site.call.helpers} - {
        h.key for w in wrong if w is not site for h in w.call.helpers
    }
    used = {h.key for c in correct for h in c.call.helpers}
    if alone == {h.key for h in site.call.helpers}:
        explanation = explain(site.suspect, True)
        if explanation is not None and (alone & used or explanation.code == EXCHANGED):
            return None
    for edits_only in (True, False):
        found = [c for pair in _lines(site) if (c := _candidate(site, *pair, explain, edits_only))]
        for candidate in sorted(found, key=lambda c: c.changes):
            blamed = _holds(candidate, site, wrong, correct)
            if blamed is not None:
                return blamed
    return None


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A corrected line of a function, and how many words of the line it changes."""

    helper: Helper
    node: ast.stmt
    explanation: Explanation
    fix: str
    changes: int


def _candidate(
    site: Site, helper: Helper, node: ast.stmt, explain: Explain, edits_only: bool
) -> _Candidate | None:
    suspect = site.inside(helper, node)
    explanation = None if suspect is None else explain(suspect, edits_only)
    fix = None if explanation is None else explanation.finding.fix
    if suspect is None or explanation is None or fix is None or explanation.finding.adds:
        return None
    assert suspect.unit is not None
    if not _read(fix) <= {*suspect.scope, *_read(suspect.unit.text), *PURE}:
        return None  # it reads names that the function does not have
    was, now = words(suspect.unit.text), words(fix)
    steps = SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
    changes = sum((b - a) + (d - c) for kind, a, b, c, d in steps if kind != "equal")
    return _Candidate(helper, node, explanation, fix, changes)


def _holds(
    candidate: _Candidate, site: Site, wrong: Sequence[Site], correct: Sequence[Site]
) -> InFunction | None:
    """Return what the line is to blame for, if it also corrects all other calls and spoils none."""
    helper, node, fix = candidate.helper, candidate.node, candidate.fix
    others = [w for w in wrong if w is not site and _reaches(w, helper)]
    kept = [c for c in correct if _reaches(c, helper)]
    if not all(_would(s, helper, node, fix) for s in (*others, *kept)):
        return None
    sites = [site, *others]
    finding = candidate.explanation.finding
    finding = Finding(_message(finding.message, helper, sites), helper.shown(fix))
    return InFunction(
        tuple(s.suspect.hand.number for s in sites),
        helper.statement(node),
        replace(candidate.explanation, finding=finding),
    )


def _lines(site: Site) -> Iterator[tuple[Helper, ast.stmt]]:
    """Yield the lines of functions with which only gradients are computed, not the forward pass."""
    forward = site.suspect.forward
    statements = dict.fromkeys(e.statement for e in forward.events if type(e) is Bind)
    ran = [e.ran_in[0] for e in forward.events if type(e) is Op and e.ran_in is not None]
    places = {statement.place for statement in (*statements, *ran)}
    used = {name for statement in statements for name in called_names(statement.text)}
    for helper in reversed(site.call.helpers):
        both = any(map(helper.holds, statements))  # a loss function that returns a gradient too
        if helper.code.co_name in used and not both:
            continue
        for node in helper.lines()[:LINES]:
            if helper.statement(node).place not in places:
                yield helper, node


def _reaches(site: Site, helper: Helper) -> bool:
    return any(h.key == helper.key for h in site.call.helpers)


def _would(site: Site, helper: Helper, node: ast.stmt, fix: str) -> bool:
    """Tell whether a call is correct with the corrected line; so is one that does not reach it."""
    suspect = site.inside(helper, node)
    return suspect is None or suspect.would(fix)


def _message(message: str | None, helper: Helper, sites: Sequence[Site]) -> str:
    calls = [(s.suspect.hand.name, s.suspect.statement.place.line) for s in sites]
    names = listed([f"{name} (line {line})" for name, line in calls])
    called = f"{helper.shown_name} computes {names}."
    return called if message is None else f"{message} {called}"
