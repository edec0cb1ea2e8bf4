"""A report as HTML: tables that need nothing beside them, in Jupyter or as a page.

Every piece of text passes `escape`, so that no name or statement of a notebook can run in it.
"""

from collections.abc import Iterable
from html import escape

from handgrad.checker.records import Report, Row
from handgrad.checker.report import words
from handgrad.checker.running.source import printable

STYLE = """
.handgrad { font: 14px/1.5 system-ui, sans-serif; max-width: 60em; }
.handgrad h3 { font-size: 1em; margin: 1.2em 0 0.3em; }
.handgrad table { border-collapse: collapse; }
.handgrad td, .handgrad th { padding: 0.15em 1.2em 0.15em 0; text-align: left;
  vertical-align: top; font-weight: normal; }
.handgrad th, .handgrad code, .handgrad pre { font-family: ui-monospace, monospace; }
.handgrad th { white-space: nowrap; }
.handgrad pre { margin: 0.2em 0; white-space: pre-wrap; }
.handgrad .finding { border-left: 3px solid; padding-left: 0.8em; margin: 0.6em 0; }
.handgrad .wrong { border-color: #c33; }
.handgrad .shape { border-color: #c90; }
.handgrad .quiet { opacity: 0.7; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
</head>
<body>
{body}
</body>
</html>
"""


def to_html(report: Report, page: bool = False) -> str:
    """The report as one fragment, or as a whole page that opens offline."""
    groups = words.grouped(report)
    errors = [(words.error_place(error), error.error) for error in report.errors]
    parts = [
        f"<p><code>{_text(report.file)}</code>: {_text(words.summary(report))}</p>",
        _section("blame", [_finding(row, report) for row in groups.blame]),
        _section("shape", [_finding(row, report) for row in groups.shape]),
        _section("inherited", _table(map(_cells, groups.inherited))),
        _section("right", _table(map(_cells, groups.right))),
        _missing(groups.missing),
        _section("notes", _table(words.notes(report))),
        _section("errors", _table(errors)),
    ]
    inner = "\n".join(part for part in parts if part)
    body = f'<div class="handgrad">\n<style>{STYLE}</style>\n{inner}\n</div>'
    return PAGE.format(title=_text(report.file), body=body) if page else body


def _text(value: str) -> str:
    """`value` as text and nothing else, in an element or in a quoted attribute."""
    return escape(printable(value), quote=True)


def _section(section: str, parts: list[str]) -> str:
    if not parts:
        return ""
    return "\n".join([f"<h3>{_text(words.SECTIONS[section])}</h3>", *parts])


def _finding(row: Row, report: Report) -> str:
    """A gradient with its line and what is the matter with it."""
    facts = (words.owner(row), words.places(row), words.shapes(row))
    head = " &ensp; ".join(_text(fact) for fact in facts if fact)
    said = [f"<div>{_text(sentence)}</div>" for sentence in words.explanation(row)]
    folded = words.blamed(row, report)
    return "\n".join(
        [
            f'<div class="finding {row.verdict}">',
            f"<div><b><code>{_text(words.name(row))}</code></b> &ensp; {head}</div>",
            f"<pre>{_text_lines(words.statement(row))}</pre>",
            *said,
            f'<div class="quiet">{_text(folded)}</div>' if folded else "",
            "</div>",
        ]
    )


def _text_lines(lines: list[str]) -> str:
    return "\n".join(_text(line) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    verdict = words.aside(row)
    return words.name(row), words.owner(row), words.places(row), words.shapes(row), verdict


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of text, the first cell of each its head; no table where there is no row."""
    lines = [_row(head, rest) for head, *rest in rows]
    return ["<table>", *lines, "</table>"] if lines else []


def _row(head: str, rest: list[str]) -> str:
    cells = "".join(f"<td>{_text(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row">{_text(head)}</th>{cells}</tr>'


def _missing(rows: list[Row]) -> str:
    if not rows:
        return ""
    return f'<p class="quiet">Not written yet: {_text(words.names(map(words.name, rows)))}</p>'
