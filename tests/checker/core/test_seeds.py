"""Notebooks by strangers: what is right in them, what is wrong, which lines are to blame."""

from collections import Counter

import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    # the notebooks leave names.txt open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_seed_000_has_two_lines_to_blame_and_a_slip_of_shape(check, seed):
    report = check(seed("000"))
    rows = {row.hand: row for row in report.rows}
    assert Counter(row.verdict for row in report.rows) == {"exact": 3, "shape": 1, "wrong": 22}
    assert {r.hand for r in report.rows if r.blame == "root"} == {"dcounts_sum", "dbndiff2"}
    assert all(r.blame == "inherited" for r in report.rows if r.verdict == "wrong" and r.hand
               not in ("dcounts_sum", "dbndiff2"))  # fmt: skip
    assert (rows["dcounts_sum"].place.cell, rows["dcounts_sum"].place.line) == (6, 6)
    assert rows["dbndiff2"].statement == (
        "dbndiff2 = (1.0 / (n - 1)) * torch.ones_like(bndiff2) * bnvar"
    )
    assert rows["dbnmeani"].verdict == "shape"
    assert rows["dbnmeani"].blame is None
    assert rows["dC"].blamed_on == ("dcounts_sum", "dbndiff2")
    assert not report.ok
    notes = {note.code: note.message for note in report.notes if note.node != "bnbias"}
    assert notes == {
        "HG208": "All elements of bngain are 1.1: a mistake in a gradient that reads it may not "
        "show. Initialise it with random numbers while checking.",
        "HG210": "dbnmeani has shape (200,), bnmeani has shape (1, 200): keepdim=True corrects it.",
        "HG213": "dlogits is computed again here and is correct.",
    }


def test_seed_001_stops_after_four_gradients_that_are_right(check, seed):
    report = check(seed("001"))
    assert Counter(row.verdict for row in report.rows) == {
        "exact": 3,
        "rounding": 1,
        "missing": 21,
    }
    (dcounts,) = [row for row in report.rows if row.hand == "dcounts"]
    assert dcounts.message == (
        "Correct so far; the contribution through counts_sum is still missing."
    )
    assert report.ok


def test_seed_002_names_the_nodes_of_dh_and_da(check, seed):
    report = check(seed("002"))
    rows = {row.hand: row for row in report.rows if row.hand}
    assert rows["dh"].node == "a"
    assert rows["dh"].verdict in ("exact", "rounding")
    assert rows["dh"].message == "dh is the gradient of a."
    assert rows["da"].node == "apreact"
    assert rows["da"].message == "da is the gradient of apreact."
    assert rows["dbnvar"].verdict in ("exact", "rounding")
    assert rows["dbndiff2"].verdict in ("exact", "rounding")
    assert {row.verdict for row in report.rows} <= {"exact", "rounding", "missing"}
    assert len(report.errors) == 1
    assert [note.message for note in report.notes] == [
        "shuffled_words is shuffled here and never read afterwards: the code below uses another "
        "order.",
        '`cmp("dh", dh, zprebn)` compares dh with the gradient of zprebn, but dh is the gradient '
        "of a.",
        '`cmp("da", da, a)` compares da with the gradient of a, but da is the gradient of apreact.',
    ]
    assert report.ok


def test_seed_004_is_right_throughout(check, seed):
    report = check(seed("004"))
    verdicts = Counter(row.verdict for row in report.rows)
    assert verdicts["wrong"] == verdicts["missing"] == 0
    assert verdicts["exact"] + verdicts["rounding"] == 25
    (slip,) = [row for row in report.rows if row.verdict == "shape"]
    assert slip.hand == "dbnmeani"
    assert slip.message == (
        "The value is correct, but its shape is (64,) and bnmeani has shape (1, 64): "
        "keepdim=True corrects it."
    )
    assert not [row for row in report.rows if row.blame]
