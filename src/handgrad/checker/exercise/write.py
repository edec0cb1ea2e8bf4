"""`write_exercise`: from a file with a forward pass to a notebook with blanks, tried out first."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handgrad.checker.exercise.described import Forward
from handgrad.checker.exercise.keep import Keeper, docstring, script_cells
from handgrad.checker.exercise.notebook import Blank, Cell, blanks, code, exercise, markdown
from handgrad.checker.exercise.solution import by_gradient as solution
from handgrad.checker.records import Hint
from handgrad.checker.report import words
from handgrad.checker.report.report import Report
from handgrad.checker.run.notebook import is_filled_code, read_raw, text_of
from handgrad.checker.run.run import TIMEOUT, asked, check_file, require_settings
from handgrad.checker.run.source import Source, read_source
from handgrad.errors import CheckError, RunError, SettingsError
from handgrad.files import write_atomic
from handgrad.text import printable


@dataclass(frozen=True)
class Exercise:
    """What was written: the file, its gradients from the first on, how many of them are given."""

    file: Path
    names: tuple[str, ...]
    n_solved: int = 0


def write_exercise(
    forward: str | Path,
    out: Path,
    hint: Hint = "where",
    only: Sequence[str] = (),
    force: bool = False,
    timeout: float = TIMEOUT,
    solved: bool = False,
) -> Exercise:
    """Run `forward` up to its end and write an exercise in its gradients to `out`.

    `only` names the gradients (or their tensors) that get a blank, all of them where it is empty.
    `solved` puts derived lines in the place of the blanks: then it is the solution. The notebook is
    checked before it gets its name: it has run, every blank in it is one that `handgrad check`
    knows, and every line right.

    Raises CheckError where there is no forward pass to write gradients for, SettingsError and
    RunError where `out` cannot be written or is there already and `force` is not given.
    """
    require_settings(timeout, None)
    _require_out(forward, out, force)
    source = read_source(forward)
    settings: dict[str, Any] = {
        "pairs": {},
        "max_steps": None,
        "timeout": timeout,
        "task": "exercise",
        "solved": solved,
    }
    answer, _ = asked(source, settings)
    described = Forward.unpack(answer["forward"])
    keeper = Keeper(source.shown, described)
    given = _given(source, described, keeper)
    every = blanks(described, keeper.names)
    chosen = chosen_blanks(every, only, source.shown)
    lines = solution(described.derived, [blank.name for blank in chosen])
    notebook = exercise(source.path.name, out.name, given, described.loss, chosen, hint, lines)
    content = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
    _require_good(content, out, source.shown, chosen, lines, timeout)
    write_atomic(out, content)
    return Exercise(out, tuple(blank.name for blank in chosen), len(lines))


def _require_out(forward: str | Path, out: Path, force: bool) -> None:
    if out.suffix.lower() != ".ipynb":
        raise SettingsError(f"--out {out}: an exercise is a notebook; name a file with .ipynb")
    if os.path.abspath(forward) == os.path.abspath(out):
        raise SettingsError(f"--out {out}: that is the forward pass itself; name another file")
    if out.is_dir():
        raise RunError(f"cannot write {out}: it is a folder; name a file with --out")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise RunError(
            f"cannot write {out}: no folder {out.parent} that can be written; "
            "name another file with --out"
        )
    if out.exists() and not force:
        raise RunError(f"{out} is there already: name another file with --out, or give --force")


def _given(source: Source, forward: Forward, keeper: Keeper) -> list[Cell]:
    """The cells of the forward pass, up to the loss."""
    if source.kind == "script":
        script = keeper.keep(source.cells[0].source, None)
        said = docstring(script)
        return [*([markdown(said)] if said else []), *map(code, script_cells(script))]
    given: list[Cell] = []
    number = 0
    for cell in read_raw(source.shown, source.path.read_bytes()):
        text = text_of(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            given.append(markdown(text, cell.get("attachments")))
        if is_filled_code(cell):
            number += 1
            kept = keeper.keep(text, number)
            given += [code(kept)] if kept.strip() else []
            if number == forward.cell:
                break
    return given


def chosen_blanks(every: Sequence[Blank], only: Sequence[str], shown: str) -> list[Blank]:
    """The blanks that `only` names, by gradient or tensor; all of them where it is empty.

    Raises CheckError where there are none, SettingsError where one that it names is not there.
    """
    if not every:
        raise CheckError(
            f"{shown}: no tensor on the way to the loss has a name at the top level of the file, "
            "so there is no gradient to write"
        )
    known = {name: blank for blank in every for name in (blank.name, blank.node.name)}
    unknown = [name for name in only if name not in known]
    if unknown:
        names = ", ".join(blank.name for blank in every)
        raise SettingsError(
            f"--only {unknown[0]}: no gradient of this forward pass, which has {names}"
        )
    wanted = {known[name].name for name in only}
    return [blank for blank in every if not only or blank.name in wanted]


def _require_good(
    content: bytes,
    out: Path,
    shown: str,
    chosen: Sequence[Blank],
    lines: Mapping[str, str],
    timeout: float,
) -> None:
    """Check the notebook as a learner will find it, in its own folder and under another name."""
    try:
        descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=".exercise.", suffix=".ipynb")
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    trial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        report = check_file(trial, timeout=timeout).report
    except CheckError as error:
        said = str(error).removeprefix(f"{trial}: ")
        raise _unfit(shown, out, said) from error
    finally:
        trial.unlink(missing_ok=True)
    _require_blanks(report, out, shown, chosen, lines)


def _require_blanks(
    report: Report, out: Path, shown: str, chosen: Sequence[Blank], lines: Mapping[str, str]
) -> None:
    """Raise CheckError where the notebook is not what it should be."""
    if report.errors:
        error = report.errors[0]
        raise _unfit(shown, out, f"{words.error_place(error)} of it failed: {error.error}")
    blank = {b.node.name for b in chosen if b.name not in lines}
    missing = {row.node for row in report.rows if row.verdict == "missing"}
    if not report.ok or not blank <= missing:
        names = ", ".join(sorted(blank - missing)) or words.summary(report)
        raise CheckError(f"{shown}: the exercise does not come out as it should: {names}")


def _unfit(shown: str, out: Path, why: str) -> CheckError:
    return CheckError(
        f"{shown}: the exercise would not run in {printable(str(out.parent))}: {why}; "
        f"write it beside {shown} if that reads files"
    )
