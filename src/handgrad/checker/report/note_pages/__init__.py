"""What each note means, by its code: a name, and the page that `handgrad explain` prints."""

from handgrad.checker.report.note_pages.lines import LINE_PAGES
from handgrad.checker.report.note_pages.runs import RUN_PAGES

NOTE_PAGES: dict[str, tuple[str, str]] = dict(sorted({**LINE_PAGES, **RUN_PAGES}.items()))
