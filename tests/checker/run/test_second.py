"""The second opinion of a process that ran no code of the file's."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checker.run.test_honest import BEGIN, BY_HAND
from checker.sessions import run_all
from handgrad.checker.judge.evidence import evidence_of, judged_again
from handgrad.checker.records import Seconded
from handgrad.checker.run.many import check_files
from handgrad.checker.session import Session
from handgrad.cli import run

FORGING = """
import gc, os
from dataclasses import asdict
from handgrad.checker.records import Place, Row
from handgrad.checker.report.report import Report
from handgrad.checker.run.channel import Channel
rows = tuple(Row(node, "d" + node, "exact", Place(13), "d" + node) for node in "ahWb")
channel = next(one for one in gc.get_objects() if isinstance(one, Channel))
channel.send("answer", report=asdict(Report("eve.py", rows)), evidence=EVIDENCE)
os._exit(0)
"""
TABLE = """\
file    result  right  wrong  shape  missing  to blame, or what happened
ana.py  ok          4      0      0        0
eve.py  ok          4      0      0        0  not computed again: 4

2 files: 2 all correct.
"""


@pytest.mark.parametrize(
    "evidence",
    ["None", "[1, {}, {'pass': {}}]", "[{'pass': {'steps': [['run', 'os.system', [], {}, [], True]]"
     ", 'storages': [], 'outputs': [], 'seeds': []}, 'eps': 1e-7, 'hands': []}]"],
    ids=["none", "malformed", "of other functions"],
)  # fmt: skip
def test_a_forged_report_is_not_confirmed(
    evidence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It has the right form, and nothing that the gradients could be computed from."""
    monkeypatch.chdir(tmp_path)
    Path("ana.py").write_text(BEGIN + BY_HAND)
    Path("eve.py").write_text(BEGIN + "dW = 0 * W" + FORGING.replace("EVIDENCE", evidence))
    assert run(["check", "ana.py", "eve.py", "--csv", "grades.csv"]) == 0
    assert capsys.readouterr().out == TABLE
    with open("grades.csv", encoding="utf-8-sig", newline="") as file:
        rows = [(row["confirmed"], row["marks"]) for row in csv.DictReader(file)]
    assert rows == [("4 of 4", ""), ("0 of 4", "not computed again: 4")]


def judged(source: str, change: Callable[[dict[str, Any]], None] = lambda evidence: None) -> Any:
    """What the second process would say to a program whose evidence is changed before."""
    session = Session()
    assert not run_all(session, source, {})
    session.finish("s.py")
    ((forward, grades),) = session.graded
    evidence = evidence_of(forward, grades)
    assert evidence is not None
    change(evidence)
    return {hand: is_right for hand, _, is_right in judged_again(evidence)}


def test_right_gradients_are_confirmed() -> None:
    assert judged(BEGIN + BY_HAND) == {"da": True, "dh": True, "dW": True, "db": True}


PROGRAMS = {
    "views and writes in-place": """\
import torch
W = torch.randn(3, 4, requires_grad=True)
x = torch.randn(5, 4)
h = x @ W.T
out = torch.zeros(5, 4)
out[:, 1:] = h
out[:, :2] *= 2
loss = (out ** 2).sum()
loss.backward()
dout = 2 * out
dh = dout[:, 1:].clone()
dh[:, 0] *= 2
dW = dh.T @ x
""",
    "a batch by indices": """\
import torch, torch.nn.functional as F
C = torch.randn(7, 3, requires_grad=True)
ix = torch.tensor([[0, 1], [2, 2], [6, 0]])
emb = C[ix]
logits = emb.view(3, -1)
loss = F.cross_entropy(logits, torch.tensor([1, 0, 5]))
loss.backward()
dlogits = F.softmax(logits, 1)
dlogits[range(3), [1, 0, 5]] -= 1
dlogits /= 3
demb = dlogits.view(3, 2, 3)
dC = torch.zeros_like(C)
dC.index_add_(0, ix.view(-1), demb.view(-1, 3))
""",
    "NumPy that overwrites": """\
import numpy as np
rng = np.random.default_rng(1)
X, W = rng.normal(size=(6, 3)), rng.normal(size=(3, 2))
H = X @ W
out = np.maximum(0, H)
loss = np.sum(out ** 2) / 6
dout = 2 * out / 6
dout[out <= 0] = 0
dH = dout
dW = X.T @ dH
""",
    "a gradient that is truly 0": """\
import torch
x = torch.randn(6, 3)
W = torch.randn(3, 2, requires_grad=True)
b = torch.randn(2, requires_grad=True)
h = x @ W + b
c = h - h.mean(0)
loss = (c ** 3).sum()
loss.backward()
dc = 3 * c ** 2
dh = dc - dc.mean(0)
db = dh.sum(0)
dW = x.T @ dh
""",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_programs_of_other_styles_are_confirmed(source: str) -> None:
    found = judged(source)
    assert len(found) >= 2
    assert set(found.values()) == {True}


def test_a_wrong_gradient_that_is_called_right_is_denied() -> None:
    """One that is off by a hundredth, and one of another shape."""

    def forged(evidence: dict[str, Any]) -> None:
        for hand in evidence["hands"]:
            if hand["hand"] == "dW":
                hand["factor"] = 1.01
            elif hand["hand"] == "db":
                hand["value"][1] = [1, 2]

    expected = {"da": True, "dh": True, "dW": False, "db": False}
    assert judged(BEGIN + BY_HAND, forged) == expected


def test_what_is_denied_is_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process of the file, a wrong gradient is judged as right."""
    (tmp_path / "ana.py").write_text(BEGIN + BY_HAND)
    cheating = (
        "import handgrad.checker.judge.grade as grade\nfrom dataclasses import replace\n"
        "import handgrad.checker.run.originals as originals\n"
        "originals.Originals.put_back.__code__ = (lambda self: []).__code__\n"
        "on = grade.verdict_on\n"
        "grade.verdict_on = lambda *all: replace(on(*all), verdict='exact')\n"
    )
    source = BEGIN + cheating + BY_HAND.replace("dW = x.T @ dh", "dW = x.T @ dh * 3")
    (tmp_path / "eve.py").write_text(source)
    files = [tmp_path / "ana.py", tmp_path / "eve.py"]
    ana, eve = sorted(check_files(files), key=lambda one: one.number)
    assert ana.report is not None
    assert ana.report.seconded == Seconded(4, 4, 0)
    assert eve.report is not None
    assert (eve.status, eve.report.seconded) == ("suspect", Seconded(4, 3, 1))
