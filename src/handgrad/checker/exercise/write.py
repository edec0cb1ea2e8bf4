"""`write_exercise`: turn a file with a forward pass into a notebook with blanks, and test it."""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handgrad.checker.exercise.described import Forward
from handgrad.checker.exercise.keep import Keeper, docstring, script_cells
from handgrad.checker.exercise.notebook import Blank, NotebookCell, blanks, code, exercise, markdown
from handgrad.checker.exercise.solution import by_gradient as solution
from handgrad.checker.records import Hint
from handgrad.checker.report import words
from handgrad.checker.report.report import Report
from handgrad.checker.run.cells import Source
from handgrad.checker.run.notebook import is_filled_code, read_raw, text_of
from handgrad.checker.run.run import TIMEOUT, check_file, require_settings, run_source
from handgrad.checker.run.source import read_source
from handgrad.checker.run.wire import unpack
from handgrad.errors import CheckError, RunError, SettingsError
from handgrad.files import write_atomic
from handgrad.text import printable

EXERCISE = "handgrad.checker.exercise.task:ExerciseTask"


@dataclass(frozen=True)
class Exercise:
    """The file that was written, its gradients in order, and how many of them are solved."""

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
    title: str | None = None,
) -> Exercise:
    """Run `forward` and write a notebook to `out` with a blank for each of its gradients.

    `only` names the gradients (or their tensors) that get a blank; all do if it is empty. `solved`
    writes the solution, with derived lines instead of blanks. `title` is what the notebook calls
    the forward pass, by default the name of its file. The notebook is checked before it
    gets its name: it runs, `handgrad check` recognises every blank, and every line is correct.

    Raises CheckError if there is no forward pass to write gradients for, SettingsError and
    RunError if `out` cannot be written, or exists and `force` is False.
    """
    require_settings(timeout, None)
    _require_out(forward, out, force)
    source = read_source(forward)
    answer, _ = run_source(source, EXERCISE, timeout, solved=solved)
    described = unpack(Forward, answer["forward"])
    keeper = Keeper(source.shown, described)
    given = _given(source, described, keeper)
    every = blanks(described, keeper.names)
    chosen = chosen_blanks(every, only, source.shown)
    lines = solution(described.derived, [blank.name for blank in chosen])
    notebook = exercise(
        title or source.path.name, out.name, given, described.loss, chosen, hint, lines
    )
    content = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
    blank = {b.tensor.name for b in chosen if b.name not in lines}
    _require_good(content, out, source.shown, blank, timeout)
    write_atomic(out, content)
    return Exercise(out, tuple(blank.name for blank in chosen), len(lines))


def _require_out(forward: str | Path, out: Path, force: bool) -> None:
    if out.suffix.lower() != ".ipynb":
        raise SettingsError(f"--out {out}: an exercise is a notebook (.ipynb)")
    if os.path.abspath(forward) == os.path.abspath(out):
        raise SettingsError(f"--out {out}: this is the forward pass itself; name another file")
    if out.is_dir():
        raise RunError(f"cannot write {out}: it is a folder; name a file with --out")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise RunError(
            f"cannot write {out}: {out.parent} is not a writable folder; "
            "name another file with --out"
        )
    if out.exists() and not force:
        raise RunError(f"{out} already exists: name another file with --out, or use --force")


def _given(source: Source, forward: Forward, keeper: Keeper) -> list[NotebookCell]:
    """Return the cells of the forward pass, up to the loss."""
    if source.kind == "script":
        script = keeper.keep(source.cells[0].source, None)
        text = docstring(script)
        return [*([markdown(text)] if text else []), *map(code, script_cells(script))]
    given: list[NotebookCell] = []
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
    """Return the blanks that `only` names, by gradient or tensor; all of them if it is empty.

    Raises CheckError if there are none, SettingsError if one that it names does not exist.
    """
    if not every:
        raise CheckError(
            f"{shown}: no tensor that the loss depends on has a name at the top level of the file, "
            "so there is no gradient to write"
        )
    known = {name: blank for blank in every for name in (blank.name, blank.tensor.name)}
    unknown = [name for name in only if name not in known]
    if unknown:
        names = ", ".join(blank.name for blank in every)
        raise SettingsError(
            f"--only {unknown[0]}: not a gradient of this forward pass; it has {names}"
        )
    wanted = {known[name].name for name in only}
    return [blank for blank in every if not only or blank.name in wanted]


def _require_good(content: bytes, out: Path, shown: str, blank: set[str], timeout: float) -> None:
    """Check the notebook in its own folder, under a temporary name.

    `blank` are the tensors whose gradients are to be missing.
    """
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
        reason = str(error).removeprefix(f"{trial}: ")
        raise _unfit(shown, out, reason) from error
    finally:
        trial.unlink(missing_ok=True)
    _require_blanks(report, out, shown, blank)


def _require_blanks(report: Report, out: Path, shown: str, blank: set[str]) -> None:
    """Raise CheckError if the notebook failed, or its gradients are not as expected."""
    if report.errors:
        error = report.errors[0]
        raise _unfit(shown, out, f"{words.error_place(error)} failed: {error.error}")
    missing = {row.node for row in report.rows if row.verdict == "missing"}
    if not report.ok or not blank <= missing:
        names = ", ".join(sorted(blank - missing)) or words.summary(report)
        raise CheckError(f"{shown}: the exercise does not check as expected: {names}")


def _unfit(shown: str, out: Path, reason: str) -> CheckError:
    return CheckError(
        f"{shown}: the exercise does not run in {printable(str(out.parent))}: {reason}; "
        f"if {shown} reads files, write the exercise beside it"
    )
