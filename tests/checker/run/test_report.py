"""A report as text, HTML and JSON, and sent between processes."""

import json
import math
from dataclasses import asdict

import pytest

from checker.report.sample import Elements
from handgrad.checker.records import CellError, Note, Place, Row
from handgrad.checker.report.report import Report
from handgrad.checker.report.states import ASCII_MARKS, MARKS
from handgrad.checker.report.text import to_text
from handgrad.checker.run.wire import unpack

SHAPE = (32, 27)


def row(node: str, verdict: str, line: int, **more: object) -> Row:
    """Return a gradient of the usual shape at a line of cell 6."""
    usual = {"hand": f"d{node}", "place": Place(line, 6), "statement": f"d{node} = ..."}
    shapes = {"shape": SHAPE, "expected_shape": SHAPE, "dtype": "float32"}
    return Row(node=node, verdict=verdict, **{**usual, **shapes, **more})  # type: ignore[arg-type]


REPORT = Report(
    "lecture.ipynb",
    rows=(
        row("logprobs", "exact", 2, max_abs_diff=0.0, ratio=0.0),
        row("probs", "rounding", 3, max_abs_diff=1e-9, ratio=0.8),
        row(
            "counts_sum",
            "wrong",
            6,
            statement="dcounts_sum = (-counts_sum**2) * dcounts_sum_inv",
            blame="root",
            shape=(32, 1),
            expected_shape=(32, 1),
            max_abs_diff=0.01234,
            ratio=1.5e7,
        ),
        row("counts", "wrong", 7, blame="inherited", blamed_on=("dcounts_sum",), max_abs_diff=1.0),
        row("norm", "wrong", 8, blame="inherited", blamed_on=("dcounts_sum", "dx"), ratio=9e4),
        row(
            "한글",
            "wrong",
            9,
            statement="d한글 = torch.where(\n        x > 0,\n        dy,\n        0,\n    )",
            blame="root",
            message="The sign is turned.",
            max_abs_diff=2.0,
            ratio=math.inf,
        ),
        row(
            "bnmeani",
            "shape",
            29,
            statement="dbnmeani = (-dbndiff).sum(0)",
            shape=(200,),
            expected_shape=(1, 200),
            message="sum(0) drops a dimension: sum(0, keepdim=True)",
        ),
        row("a", "exact", 30, hand="dh", dtype="torch.bfloat16"),
        Row("W1", None, "missing", expected_shape=(30, 200)),
        Row("C", None, "missing"),
    ),
    notes=(
        Note("HG201", "dlogits is dnorm_logits itself", "logits", Place(9, 6)),
        Note("HG210", "its shape, which its row shows already", "bnmeani", Place(29, 6)),
        Note("HG211", "words are shuffled and never read again"),
    ),
    errors=(CellError(7, 1, "NameError: name 'x' is not defined"), CellError(8, None, "Timeout")),
)

TEXT = """\
lecture.ipynb

Lines to blame
  ✗ dcounts_sum   cell 6, line 6   f32[32,1]
      dcounts_sum = (-counts_sum**2) * dcounts_sum_inv
      With correct upstream gradients, this line gives a wrong result.
      Off by up to 0.0123, over a million times what rounding explains.
      to blame for 2 others: dcounts, dnorm
  ✗ d한글   cell 6, line 9   f32[32,27]
      d한글 = torch.where(
          x > 0,
          dy,
          0,
      )
      The sign is turned.
      Off by up to 2.

Right values in the wrong shape
  ~ dbnmeani   cell 6, line 29   got f32[200], expected f32[1,200]
      dbnmeani = (-dbndiff).sum(0)
      sum(0) drops a dimension: sum(0, keepdim=True)

Right
  ✓ dlogprobs        cell 6, line 2   f32[32,27]   exact
  ≈ dprobs           cell 6, line 3   f32[32,27]   correct up to rounding
  ✓ dh         of a  cell 6, line 30  bf16[32,27]  exact

Not written yet: dW1, dC

Notes
  cell 6, line 9  dlogits is dnorm_logits itself [HG201]
                  words are shuffled and never read again [HG211]

Errors in the file
  cell 7, line 1  NameError: name 'x' is not defined
  cell 8          Timeout

8 gradients by hand: 2 exact, 1 correct up to rounding, 1 of the wrong shape, 4 wrong (2 lines to
blame); 2 not written yet; 2 errors in the file.
"""


def test_the_whole_text() -> None:
    assert REPORT.to_text() == str(REPORT) == TEXT


def test_a_long_statement_is_cut_and_tabs_are_spaces() -> None:
    long = "\tdh = f(\n" + "\n".join(f"\t\t{n},\t# {n}" for n in range(20)) + "\n\t)"
    text = Report("s.py", (row("h", "wrong", 3, blame="root", statement=long),)).to_text()
    assert "      dh = f(\n          0,  # 0\n" in text
    assert "          6,  # 6\n      ...\n" in text


@pytest.mark.parametrize(
    ("places", "shown"),
    [
        ((), "cell 6, line 3"),
        ((Place(4, 6),), "cell 6, line 4"),
        ((Place(4, 6), Place(9, 6)), "cell 6, lines 4 and 9"),
        ((Place(4), Place(9)), "lines 4 and 9"),
        ((Place(4, 6), Place(1, 7)), "cell 6, line 4 and cell 7, line 1"),
    ],
)
def test_every_line_to_blame_is_named(places: tuple[Place, ...], shown: str) -> None:
    report = Report("s.py", (row("h", "wrong", 3, blame="root", places=places),))
    assert f"  ✗ dh   {shown}   f32[32,27]\n" in report.to_text()
    assert f'<span class="fact">{shown}</span>' in report.to_html()


def test_text_of_all_right() -> None:
    assert Report("s.py", (row("h", "exact", 3, place=Place(3)),)).to_text() == (
        "s.py\n\nRight\n  ✓ dh    line 3  f32[32,27]  exact\n\n1 gradient by hand: 1 exact.\n"
    )


def test_text_of_an_inherited_error_whose_root_is_not_among_the_rows() -> None:
    """A wrong gradient is always shown."""
    lost = row("h", "wrong", 3, blame="inherited", blamed_on=("dz",), max_abs_diff=0.5, ratio=70.0)
    assert Report("s.py", (lost,)).to_text() == (
        "s.py\n\nWrong because of earlier lines\n  ✗ dh    cell 6, line 3  f32[32,27]\n\n"
        "1 gradient by hand: 1 wrong (0 lines to blame).\n"
    )


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    from rich.cells import cell_len

    text = REPORT.to_text(width)
    assert max(cell_len(line) for line in text.split("\n")) <= width
    assert "dcounts_sum" in text


def test_every_gradient_is_in_the_text() -> None:
    assert [r for r in REPORT.rows if (r.hand or f"d{r.node}") not in TEXT] == []


def test_ascii_marks_for_terminals_without_utf8() -> None:
    plain = to_text(Report("s.py", (row("h", "exact", 3),)), marks=ASCII_MARKS)
    assert plain.isascii()
    assert MARKS.keys() == ASCII_MARKS.keys()


HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b]0;title\x07\u202e"


def hostile() -> Report:
    """Return a report in which every text is malicious."""
    bad = row(HOSTILE, "wrong", 1, hand=HOSTILE, statement=HOSTILE, blame="root", message=HOSTILE)
    rest = [
        row(HOSTILE, verdict, 1, hand=HOSTILE, message=HOSTILE) for verdict in ("exact", "shape")
    ]
    missing = Row(HOSTILE, None, "missing")
    note = Note(HOSTILE, HOSTILE, HOSTILE)
    return Report(HOSTILE, (bad, *rest, missing), (note,), (CellError(1, 1, HOSTILE),))


def test_text_of_a_notebook_cannot_control_the_terminal() -> None:
    text = hostile().to_text()
    assert {c for c in text if not c.isprintable()} == {"\n"}


def test_html_has_the_same_content_as_the_text() -> None:
    said = Elements(REPORT.to_html(page=True)).words
    for line in TEXT.split("\n"):
        for part in line.strip().split("   "):
            words = part.strip().lstrip("✗~✓≈ ")
            if "[HG" not in words and "  " not in words and len(words) < 90:
                assert words in said


def test_the_whole_json() -> None:
    few = Report("a.ipynb", (REPORT.rows[2], REPORT.rows[5], REPORT.rows[9]), *TAIL)
    assert json.dumps(few.to_json(), ensure_ascii=False, allow_nan=False) == JSON


TAIL = (REPORT.notes[:1], REPORT.errors)
JSON = (
    '{"version": 1, "file": "a.ipynb", "ok": false, "counts": {"exact": 0, "rounding": 0, '
    '"shape": 0, "wrong": 2, "missing": 1}, "gradients": [{"node": "counts_sum", "hand": '
    '"dcounts_sum", "line": 6, "cell": 6, "verdict": "wrong", "blame": "root", "shape": [32, 1], '
    '"expected_shape": [32, 1], "max_abs_diff": 0.01234, "ratio": 15000000.0, "cause": null, '
    '"message": null, "fix": null}, {"node": "한글", "hand": "d한글", "line": 9, "cell": 6, '
    '"verdict": "wrong", "blame": "root", "shape": [32, 27], "expected_shape": [32, 27], '
    '"max_abs_diff": 2.0, "ratio": null, "cause": null, "message": "The sign is turned.", '
    '"fix": null}, {"node": "C", "hand": null, "line": null, "cell": null, "verdict": "missing", '
    '"blame": null, "shape": null, "expected_shape": null, "max_abs_diff": null, "ratio": null, '
    '"cause": null, "message": null, "fix": null}], "notes": [{"code": "HG201", "node": "logits", '
    '"line": 9, "cell": 6, "message": "dlogits is dnorm_logits itself"}], "errors": [{"cell": 7, '
    '"line": 1, "error": "NameError: name \'x\' is not defined"}, {"cell": 8, "line": null, '
    '"error": "Timeout"}]}'
)


def test_wire_keeps_everything() -> None:
    assert unpack(Report, json.loads(json.dumps(asdict(REPORT)))) == REPORT


def test_wire_keeps_values_that_are_not_finite() -> None:
    nan = Report("s.py", (row("h", "wrong", 1, max_abs_diff=math.nan, ratio=math.inf),))
    back = unpack(Report, json.loads(json.dumps(asdict(nan)))).rows[0]
    assert math.isnan(back.max_abs_diff or 0.0)
    assert back.ratio == math.inf


def test_ok_depends_on_gradients_only() -> None:
    right = Report(
        "s.py", (row("h", "rounding", 1), Row("W", None, "missing")), errors=REPORT.errors
    )
    assert right.ok
    assert not REPORT.ok
    assert not Report("s.py", (REPORT.rows[6],)).ok
