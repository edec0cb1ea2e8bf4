"""The results of a class: the table, the CSV, the JSON, the pages."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from handgrad.checker.records import CellError, Place, Row
from handgrad.checker.report import many, table
from handgrad.checker.report.file_result import FileResult
from handgrad.checker.report.pages import index, page_name, write_pages
from handgrad.checker.report.report import Report
from handgrad.checker.report.sheet import COLUMNS, to_csv
from handgrad.errors import RunError

RIGHT = Row("h", "dh", "exact", Place(3, 1))
ROUNDING = Row("a", "da", "rounding", Place(4, 1))
ROOT = Row("b", "db", "wrong", Place(5, 2), blame="root", cause="HG104", message="Off.")
OTHER = Row("c", "dc", "wrong", Place(7, 2), blame="root")
HEIR = Row("d", "dd", "wrong", Place(6, 2), blame="inherited", blamed_on=("db",))
SHAPE = Row("e", "de", "shape", Place(8, 2))
MISSING = Row("f", None, "missing")
ERRORS = (CellError(3, 1, "NameError: name 'x' is not defined"), CellError(4, None, "KeyError: 1"))

CLASS = [
    FileResult(0, "ana.ipynb", "ok", 2.04, Report("ana.ipynb", (RIGHT, ROUNDING))),
    FileResult(
        1,
        "ben.ipynb",
        "wrong",
        3.0,
        Report("ben.ipynb", (RIGHT, ROOT, HEIR, OTHER, SHAPE, MISSING), errors=ERRORS),
    ),
    FileResult(2, "eva.ipynb", "wrong", 1.0, Report("eva.ipynb", (RIGHT, ROOT))),
    FileResult(3, "cy.ipynb", "refused", 0.0, message="the file is empty"),
    FileResult(4, "dan.ipynb", "unchecked"),
]

TABLE = """\
file       result     right  wrong  shape  missing  to blame, or what happened
ana.ipynb  ok             2      0      0        0
ben.ipynb  wrong          1      3      1        1  db (cell 2, line 5: HG104), dc (cell 2, line 7)\
, de (cell 2, line 8: shape); cell 3, line 1: NameError: name 'x' is not defined (and 1 more)
eva.ipynb  wrong          1      1      0        0  db (cell 2, line 5: HG104)
cy.ipynb   refused                                  the file is empty
dan.ipynb  unchecked

5 files: 1 all correct, 2 with wrong gradients, 1 not gradable, 1 not checked.
Most often to blame: db in 2 files.
"""

SHEET = """\
"file","status","score","exact","rounding","shape","wrong","missing","blame","causes",\
"from_autograd","present","forward","confirmed","marks","seconds","message"
"ana.ipynb","ok",1.0,1,1,0,0,0,"","",0,"","","","",2.0,""
"ben.ipynb","wrong",0.1667,1,0,1,3,1,"db; dc","HG104; ?",0,"","","","",3.0,\
"cell 3, line 1: NameError: name 'x' is not defined (and 1 more)"
"eva.ipynb","wrong",0.5,1,0,0,1,0,"db","HG104",0,"","","","",1.0,""
"cy.ipynb","refused","","","","","","","","","","","","","",0.0,"the file is empty"
"dan.ipynb","unchecked","","","","","","","","","","","","","",0.0,""
"""


def test_the_table() -> None:
    assert table.to_text(CLASS) == TABLE


def test_the_sheet() -> None:
    content = to_csv(CLASS)
    assert content == b"\xef\xbb\xbf" + SHEET.replace("\n", "\r\n").encode()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [list(row) for row in rows] == [list(COLUMNS)] * len(CLASS)
    assert rows[1]["blame"] == "db; dc"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=HYPERLINK(1).py", "'=HYPERLINK(1).py"),
        ("+1.py", "'+1.py"),
        ("-1.py", "'-1.py"),
        ("@a.py", "'@a.py"),
        ("\t=1.py", "\\x09=1.py"),
        ("  =1.py", "  '=1.py"),
        ("a;=1.py", "a;'=1.py"),
        ("\uff1d1.py", "'\uff1d1.py"),
        ('a"b,c.py', 'a"b,c.py'),
        ("a\nb.py", "a\\x0ab.py"),
        ("a=b.py", "a=b.py"),
        ("Zoë-名.py", "Zoë-名.py"),
    ],
)
def test_no_cell_of_the_sheet_is_a_formula(name: str, cell: str) -> None:
    one = FileResult(0, name, "refused", message=f"{name} has gone")
    text = to_csv([one]).decode("utf-8-sig")
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert (row[0], row[-1]) == (cell, f"{cell} has gone")


def test_the_json() -> None:
    found = json.loads(json.dumps(many.to_json(CLASS)))
    assert list(found) == ["version", "counts", "files"]
    assert found["counts"] == {
        "ok": 1, "unfinished": 0, "suspect": 0, "wrong": 2, "raised": 0, "timeout": 0, "crashed": 0,
        "refused": 1, "unchecked": 1,
    }  # fmt: skip
    report = CLASS[1].report
    assert report is not None
    assert found["files"][1] == {
        **report.to_json(),
        "status": "wrong",
        "seconds": 3.0,
        "error": None,
        "marks": [],
    }
    assert found["files"][3] == {
        "version": 1,
        "file": "cy.ipynb",
        "ok": False,
        "counts": {"exact": 0, "rounding": 0, "shape": 0, "wrong": 0, "missing": 0},
        "gradients": [],
        "notes": [],
        "errors": [],
        "status": "refused",
        "seconds": 0.0,
        "error": "the file is empty",
        "marks": [],
    }
    assert {tuple(file) for file in found["files"]} == {tuple(found["files"][0])}


def test_the_pages(tmp_path: Path) -> None:
    twins = [FileResult(n, f"{n}/a b.py", "ok", report=Report("a b.py", (RIGHT,))) for n in (0, 1)]
    write_pages(
        tmp_path / "pages", [*twins, FileResult(2, "gone.py", "refused", message="no file")]
    )
    written = {file.name for file in (tmp_path / "pages").iterdir()}
    assert written == {"001-a_b.py.html", "002-a_b.py.html", "index.html"}
    text = (tmp_path / "pages" / "index.html").read_text()
    assert set(re.findall(r'href="([^"]+)"', text)) == written - {"index.html"}
    assert "no file" in text


def test_pages_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        write_pages(tmp_path / "no" / "pages", CLASS)
    assert str(caught.value) == (
        f"cannot create the folder {tmp_path}/no/pages: No such file or directory"
    )


HOSTILE = '"><script>alert(1)</script>{rows}.py'


def test_no_text_of_a_file_is_markup_in_the_index() -> None:
    row = Row("h", "d<b>", "wrong", blame="root", cause="<i>")
    one = FileResult(0, HOSTILE, "wrong", report=Report(HOSTILE, (row,)), message="<u>&amp;")
    page = index([one, one])
    assert not re.search(r"<(script|b>d|i>|u>)", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{rows}.py" in page
    assert "d&lt;b&gt; (&lt;i&gt;)" in page
    assert "&lt;u&gt;&amp;amp;" in page
    assert re.fullmatch(r"[\w.-]+", page_name(one))
