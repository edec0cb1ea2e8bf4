"""The name and the page of each note by its code; `handgrad explain` prints the page."""

from handgrad.checker.report.note_pages.lines import LINE_PAGES
from handgrad.checker.report.note_pages.runs import RUN_PAGES

NOTE_PAGES: dict[str, tuple[str, str]] = dict(sorted({**LINE_PAGES, **RUN_PAGES}.items()))
