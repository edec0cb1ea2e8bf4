"""The files that `handgrad check` writes: JSON, HTML pages, the grades as CSV."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handgrad.cli.output import check_target
from handgrad.errors import RunError, SettingsError

if TYPE_CHECKING:
    from handgrad.checker.report.file_result import FileResult

SOURCES = (".ipynb", ".py")


@dataclass(frozen=True)
class Targets:
    """The target of each form of the report; None is not written."""

    json: str | None = None
    html: Path | None = None
    csv: Path | None = None

    def require(self, several: bool) -> None:
        """Raise an error, one line, if one of the targets cannot be written.

        Notebooks are refused: in `--csv *.ipynb`, the shell makes a student's notebook the target.
        """
        named = {"--json": self.json, "--html": self.html, "--csv": self.csv}
        if self.csv == Path("-"):
            raise SettingsError("--csv -: name a file; only --json - writes to standard output")
        paths: dict[str, str] = {}
        for option, target in named.items():
            first = paths.setdefault(os.path.abspath(target), option) if target else option
            if first != option:
                raise SettingsError(
                    f"{option} {target}: {first} writes to the same file; name another one"
                )
            if target is not None and str(target).lower().endswith(SOURCES):
                raise SettingsError(
                    f"{option} {target}: this is a file to check; name the file to write, "
                    f"such as {option} {EXAMPLES[option]}"
                )
            if option == "--html" and several:
                _require_folder(self.html)
            else:
                check_target(target, option)

    def write(self, checked: "Sequence[FileResult]", several: bool) -> None:
        """Write all targets; raise the first error after the others are written."""
        failures: list[RunError] = []
        for write in (self._write_json, self._write_pages, self._write_sheet):
            try:
                write(checked, several)
            except RunError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def write_sheet(self, checked: "Sequence[FileResult]") -> None:
        """Write the CSV file, if there is one."""
        if self.csv is not None:
            from handgrad.checker.report.sheet import to_csv
            from handgrad.files import write_atomic

            write_atomic(self.csv, to_csv(checked))

    def _write_sheet(self, checked: "Sequence[FileResult]", several: bool) -> None:
        self.write_sheet(checked)

    def _write_json(self, checked: "Sequence[FileResult]", several: bool) -> None:
        if self.json is None:
            return
        from handgrad.checker.report.many import to_json
        from handgrad.files import report_json

        report = checked[0].report
        report_json(self.json, to_json(checked) if several or not report else report.to_json())

    def _write_pages(self, checked: "Sequence[FileResult]", several: bool) -> None:
        if self.html is None:
            return
        from handgrad.checker.report.pages import write_pages
        from handgrad.files import write_atomic

        report = checked[0].report
        if several:
            write_pages(self.html, checked)
        elif report is not None:
            write_atomic(self.html, report.to_html(page=True).encode())


EXAMPLES = {"--json": "results.json", "--html": "report.html", "--csv": "grades.csv"}


def _require_folder(folder: Path | None) -> None:
    if folder is not None and folder.exists() and not folder.is_dir():
        raise RunError(
            f"cannot write {folder}: it is a file; for several files --html needs a folder"
        )
    if folder is not None and not folder.is_dir():
        check_target(folder, "--html")
