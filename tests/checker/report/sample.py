"""Reports to render, and a parser for their HTML."""

from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

from handgrad.checker.records import CellError, Listing, Note, Place, Row, Spread
from handgrad.checker.report.html import FUNCTIONS
from handgrad.checker.report.report import Report
from handgrad.checker.report.templates import environment

SOURCE = """\
import torch

h = torch.tanh(x @ W)
counts = h.exp()
loss = counts.sum()
loss.backward()

dcounts = torch.ones_like(counts)
dh = h * dcounts
dpre = (1 - h**2) * dh
dW = x.T @ dpre
dz = dpre.sum(0, keepdim=True)
"""


def row(node: str, verdict: str, line: int, **more: object) -> Row:
    """Return a gradient at a line of SOURCE."""
    usual: dict[str, object] = {
        "hand": f"d{node}",
        "place": Place(line),
        "statement": SOURCE.split("\n")[line - 1],
        "shape": (32, 27),
        "expected_shape": (32, 27),
        "dtype": "float32",
    }
    return Row(node=node, verdict=verdict, **{**usual, **more})  # type: ignore[arg-type]


ROOT = row(
    "h",
    "wrong",
    9,
    blame="root",
    places=(Place(9),),
    max_abs_diff=0.01234,
    ratio=1.5e7,
    cause="HG106",
    message="This has h where its derivative counts is due.",
    fix="dh = counts * dcounts",
    checked="exact",
    spread=Spread(("05", "05"), "only column 1"),
)
REPORT = Report(
    "softmax.py",
    rows=(
        row("counts", "exact", 8, max_abs_diff=0.0, ratio=0.0),
        ROOT,
        row("pre", "wrong", 10, blame="inherited", blamed_on=("dh",), max_abs_diff=1.0, ratio=9e4),
        row("W", "wrong", 11, blame="inherited", blamed_on=("dh",), spread=Spread(("1x",), "it")),
        row("z", "shape", 12, shape=(1, 27), expected_shape=(27,), message="sum(0) corrects it."),
        Row("b", None, "missing"),
    ),
    notes=(Note("HG201", "dh is dq itself", "h", Place(9)), Note("HG211", "never read again")),
    errors=(CellError(7, 1, "NameError: name 'x' is not defined"),),
    edges=(("W", "pre"), ("pre", "h"), ("z", "pre"), ("h", "counts"), ("counts", "loss")),
    listings=(Listing(None, SOURCE),),
)


def everywhere(report: Report, text: str) -> Report:
    """Return `report` with `text` for every string that comes from the user's file."""

    def put(value: Any) -> Any:
        if isinstance(value, str):
            return text
        if isinstance(value, tuple):
            return tuple(map(put, value))
        if not is_dataclass(value) or isinstance(value, type | Spread):
            return value
        ours = ("verdict", "blame", "checked", "version")
        names = [f.name for f in fields(value) if f.name not in ours]
        return replace(value, **{name: put(getattr(value, name)) for name in names})

    made: Report = put(report)
    # else no statement stands where the listing has it, and no edge is drawn
    edges = (("W", text), (text, "loss"))
    source = "\n".join([text] * 12)
    return replace(made, edges=edges, listings=(Listing(None, source),))


class Elements(HTMLParser):
    """All elements of a page, their attributes, and its text."""

    VOID = ("meta",)

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += f" {data} "

    def all(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [value for own, value in self.attributes if own == name]

    @property
    def words(self) -> str:
        """The text, its spaces evened out."""
        return " ".join(self.text.split())


def part(name: str, *arguments: Any) -> str:
    """Return the output of one macro of parts.html."""
    parts: Any = environment().get_template("parts.html").make_module(FUNCTIONS)
    return str(getattr(parts, name)(*arguments))
