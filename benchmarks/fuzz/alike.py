"""Metamorphic tests: a program that is renamed, reformatted or reordered gets the same report."""

import ast
import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.inputs import run_in
from benchmarks.fuzz.programs import Program, program
from benchmarks.fuzz.target import Target

Change = Callable[[Program, Random], tuple[str, dict[str, str]]]
"""Returns the changed text, and the old names by the new ones."""
FRESH = (
    "alpha", "beta", "gamma", "kappa", "omega", "zeta", "eta", "theta", "mu", "nu", "rho", "tau",
    "chi", "psi", "phi", "xi", "iota", "sigma",
)  # fmt: skip


def renamed(one: Program, random: Random) -> tuple[str, dict[str, str]]:
    """Give names of tensors, and with them those of their gradients, other words."""
    fresh = random.sample(FRESH, len(one.names))
    new = {}
    for name, word in zip(one.names, fresh, strict=True):
        if len(name) == 2 and name.endswith("s"):  # a list: dW is the gradient of one of Ws
            new[name], name = f"{word}s", name[0]
        new.setdefault(name, word)
        new[f"d{name}"] = f"d{word}"
    pattern = re.compile(r"(?<![\w.])(" + "|".join(map(re.escape, new)) + r")(?!\w)")
    return pattern.sub(lambda m: new[m[1]], one.text), {new[name]: name for name in new}


def reformatted(one: Program, random: Random) -> tuple[str, dict[str, str]]:
    """Write the same tree in another way: spaces, blank lines, comments, parentheses."""
    lines = []
    for line in ast.unparse(ast.parse(one.text)).split("\n"):
        assigned = re.fullmatch(r"( *)([\w.]+) = (.*)", line)
        if assigned and random.random() < 0.3:
            line = f"{assigned[1]}{assigned[2]}=({assigned[3]})"
        if assigned and random.random() < 0.2:
            line = f"{assigned[1]}{assigned[2]} = (\n{assigned[1]}    {assigned[3]}\n{assigned[1]})"
        if random.random() < 0.2:
            lines.append("")
        lines.append(line + random.choice(("", "", "  # a remark")))
    return "\n".join(lines) + "\n", {}


def reordered(one: Program, random: Random) -> tuple[str, dict[str, str]]:
    """Let neighbouring lines change places that share no name which one of them writes."""
    blocks = list(one.blocks)
    for _ in range(3 * len(blocks)):
        i = random.randrange(1, len(blocks) - 1)
        if _independent(blocks[i], blocks[i + 1]):
            blocks[i], blocks[i + 1] = blocks[i + 1], blocks[i]
    return "\n".join(blocks) + "\n", {}


def _independent(first: str, second: str) -> bool:
    (reads, writes), (others, written) = map(_names, (first, second))
    return not (writes & (others | written) or written & reads)


def _names(text: str) -> tuple[set[str], set[str]]:
    """Return the names that a block reads, and those that it writes or changes.

    A random number, a call and backward() change a state that all of them share.
    """
    reads, writes = set[str](), set[str]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else writes).add(node.id)
        if isinstance(node, ast.ClassDef):
            writes.add(node.name)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name.startswith("rand") or isinstance(node.func, ast.Name):
                writes.add("(random numbers)")
            if name in ("backward", "forward", "append") or name.endswith("_"):
                owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
                writes |= {n.id for n in ast.walk(owner) if isinstance(n, ast.Name)}
        if isinstance(node, ast.AugAssign):
            writes |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    if "loss.backward" in text or "requires_grad_()" in text:
        writes.add("(graph)")
    reads.add("(graph)")
    return reads, writes


CHANGES: dict[str, Change] = {
    "renamed": renamed,
    "reformatted": reformatted,
    "reordered": reordered,
}


def report_of(text: str, old: dict[str, str]) -> Counter[tuple[Any, ...]]:
    """Return what the checker says: its rows and notes in the old names, without lines."""
    from handgrad.checker.session import Session

    session = Session()
    run_in(session, text)
    report = session.finish("it")
    assert session.recorder.failures == [], session.recorder.failures

    def told(words: str | None) -> str:
        pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, old or ["\0"])) + r")(?!\w)")
        named = pattern.sub(lambda m: old.get(m[1], m[1]), words or "")
        named = re.sub(r"#.*", "", named)
        named = re.sub(r"\bline \d+|\blines \d+ (?:and|to) \d+", "line", named)
        return re.sub(r"[\s()]", "", named)

    rows = [
        (
            "row",
            told(r.hand),
            told(r.node),
            r.verdict,
            r.blame,
            r.cause,
            told(r.message),
            told(r.fix),
        )
        for r in report.rows
    ]
    return Counter(rows + [("note", n.code, told(n.message)) for n in report.notes])


def reports_are_alike(seed: int) -> None:
    """Each change leaves the report as it is."""
    one = program(seed)
    known = report_of(one.text, {})
    for name, change in CHANGES.items():
        text, old = change(one, Random(seed))
        found = report_of(text, old)
        if found != known:
            lost, extra = list((known - found).elements()), list((found - known).elements())
            raise AssertionError(
                f"program {seed}, {name}: {lost} became {extra}\n{one.text}\n----\n{text}"
            )


ALIKE = (Target("alike", lambda: st.integers(0, 10**9), reports_are_alike, 20),)
