"""The code on every page: what is wrong there is named so, and what is right there passes."""

import importlib.util
import re
import textwrap

import pytest
import torch
import torch.nn.functional as F
from benchmarks.proving.grade import check
from benchmarks.proving.program import SOURCE, SQUARE, settings

import handgrad
from checker.explain.causes import programs
from handgrad.checker.explain.causes import CAUSES
from handgrad.checker.report.codes import pages

CODE = "THE PAGE'S CODE"
"""Where it goes, in a program."""

DIRECT = "dhprebn = dbndiff.clone()"
MEANS = "dhprebn += 1 / n * torch.ones_like(hprebn) * dbnmeani"
LECTURE = {
    "HG101": ("dbndiff", "dbndiff += 2 * bndiff * dbndiff2", "dbndiff = bnvar_inv * dbnraw"),
    "HG102": ("dbnmeani", "dbnmeani = (-dbndiff).sum(0, keepdim=True)"),
    "HG103": ("dbndiff", "dbndiff += 2 * bndiff * dbndiff2"),
    "HG104": ("dcounts_sum", "dcounts_sum = -counts_sum**-2 * dcounts_sum_inv"),
    "HG105": ("dbndiff", "dbndiff = bnvar_inv * dbnraw"),
    "HG106": ("dbndiff2", "dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar"),
    "HG107": ("dbnvar_inv", "dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)"),
    "HG108": ("dnorm_logits", "dnorm_logits = counts * dcounts"),
    "HG109": ("dhpreact", "dhpreact = (1.0 - h**2) * dh"),
    "HG110": ("dbngain", "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)"),
    "HG111": ("dhpreact", "dhpreact = (1.0 - h**2) * dh"),
    "HG112": ("dbngain", "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)"),
    "HG113": ("db2", "db2 = dlogits.sum(0)"),
    "HG114": ("dh", "dh = dlogits @ W2.T"),
    "HG115": ("dh", "dh = dlogits @ W2.T"),
    "HG116": ("dhpreact", "dhpreact = (1.0 - h**2) * dh"),
    "HG117": ("db2", "db2 = dlogits.sum(0)"),
    "HG118": ("dbndiff2", "dbndiff2 = 1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar"),
    "HG119": ("dhprebn", DIRECT, MEANS),
    "HG120": (
        "dlogits",
        "dlogits = dnorm_logits.clone()",
        "dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes",
    ),
    "HG121": ("dhprebn", DIRECT, MEANS),
    "HG124": ("dC", "dC.index_put_((Xb,), demb, accumulate=True)"),
    "HG126": ("dbndiff", DIRECT, MEANS),
    "HG127": ("dW2", "dhpreact = (1.0 - h**2) * dh", "dW2 = h.T @ dlogits"),
    "HG136": ("dhprebn", DIRECT, MEANS),
    "HG137": ("dbnmeani", "dbnmeani = (-dbndiff).sum(0, keepdim=True)"),
    "HG138": ("dbnvar", "dbnvar = -0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv"),
    "HG140": ("dbnraw", "dbnraw = bngain * dhpreact"),
}
"""Of a page on a line of the lecture's: whose gradient it is, the line, and a line that goes."""

DROPOUT = """\
torch.manual_seed(0)
n, V = 6, 4
a = torch.randn(n, 5, requires_grad=True)
W2 = torch.randn(5, V, requires_grad=True)
dout = torch.full((n, V), 1 / (n * V))
"""
CELLS = """\
torch.manual_seed(0)
n = 32
Yb = torch.randint(0, 27, (n,))
logits = torch.randn(n, 27, requires_grad=True)
logprobs = F.log_softmax(logits, 1)
probs = logprobs.exp()
loss = -logprobs[range(n), Yb].mean()
"""
GATE = """\
torch.manual_seed(0)
h = torch.randn(5, 4, requires_grad=True)
gate = torch.sigmoid(h).detach()
y = gate * h
up = torch.randn(5, 4)
loss = (y * up).sum()
dy = up
"""
TALL = """\
torch.manual_seed(0)
n = 300
x = torch.randn(n, 4)
W = torch.randn(4, 3, requires_grad=True)
out = x @ W
up = torch.randn(300, 3)
loss = (out * up).sum()
dout = up
"""
HEAD = """\
torch.manual_seed(0)
S = torch.randn(5, 5, requires_grad=True)
V, up = torch.randn(5, 3), torch.randn(5, 3)
P = F.softmax(S, dim=-1)
loss = (P @ V * up).sum()
dP = up @ V.T
"""
AFFINE = """\
torch.manual_seed(0)
xhat, up = torch.randn(8, 6), torch.randn(8, 6)
gain, bias = torch.randn(6, requires_grad=True), torch.randn(6, requires_grad=True)
y = gain * xhat + bias
loss = (y * up).sum()
dy = up
"""
IN_LOOP = "for t in reversed(range(T)):\n    da = (1 - hs[t]**2) * dh\n    {}\n    dh = da @ Wh.T\n"
STEPS = IN_LOOP.format("steps[t] = da")
PROGRAMS = {
    "HG122": ("dx", f"{programs.LAYERNORM}dxhat = w * dout\n{CODE}\n"),
    "HG123": ("dS", f"{HEAD}{CODE}\n"),
    "HG125": ("dWx", f"{programs.RNN}steps = {{}}\n{STEPS}da = steps\n{CODE}\n"),
    "HG128": ("dlogits", f"{CELLS}{CODE}\n"),
    "HG129": ("dW2", f"{DROPOUT}{CODE}\n"),
    "HG130": ("da", f"{programs.CORNERS}h = torch.relu(a)\nloss = (h * up).sum()\ndh = up\n{CODE}"),
    "HG133": ("dh", f"{GATE}{CODE}\n"),
    "HG134": ("dW", f"{TALL}{CODE}\n"),
    "HG135": ("dWh", f"{programs.RNN}{IN_LOOP.format(CODE)}"),
    "HG139": ("dgain", f"{AFFINE}{CODE}\n"),
}
"""The others, in a program of their own."""

RETURNED = {"HG131": "x", "HG132": "b"}
"""Those on what a function returns: of which input."""
MODULE = f"""\
def forward(x, W, b):
    return x @ W + b, x, W


def backward(dout, x, W):
    {CODE}
"""


def code_on(page: str) -> tuple[str, str]:
    """Return the code under Wrong and under Right."""
    match = re.fullmatch(r".*\nWrong:\n\n(.*)\n\nRight:\n\n(.*)", page.rstrip(), re.DOTALL)
    assert match is not None
    return textwrap.dedent(match[1]), textwrap.dedent(match[2])


def planted(source: str, written: str) -> str:
    """Put the code there, as far in as the place is."""
    indent = re.search(f"( *){CODE}", source)[1]
    return source.replace(f"{indent}{CODE}", textwrap.indent(written, indent))


def row_with(code: str, written: str, tmp_path):
    """Return the row of the page's gradient with that code in its program."""
    if code in RETURNED:
        return returned(code, written, tmp_path)
    if code in LECTURE:
        hand, line, *gone = LECTURE[code]
        source = SOURCE
        for other in (line, *gone):
            assert source.count(f"\n{other}\n") == 1
            source = source.replace(f"\n{other}\n", f"\n{CODE if other == line else ''}\n")
    else:
        hand, source = PROGRAMS[code]
    names = settings(SQUARE) if code in LECTURE else {"torch": torch, "F": F}
    report = check(planted(source, written), names)
    return next(row for row in report.rows if row.hand == hand)


def returned(code: str, written: str, tmp_path):
    path = tmp_path / "layer.py"
    path.write_text(planted(MODULE, written))
    spec = importlib.util.spec_from_file_location("layer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    inputs = (torch.randn(5, 5), torch.randn(5, 5), torch.randn(5))
    report = handgrad.check(module.forward, module.backward, inputs)
    return next(row for row in report.rows if row.node == RETURNED[code])


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.code)
def test_a_page_has_all_its_parts(cause) -> None:
    title, what, why, wrong, right = re.split(
        r"\n\n(?:What|Why|Wrong|Right):\s", pages()[cause.code].text.rstrip()
    )
    assert title.endswith(".")
    assert "\n" not in title
    for prose in (what, why):
        assert prose[-1] in ".)"
        assert len(prose) < 600
    for code in (wrong, right):
        compile(f"def page():\n{textwrap.indent(code, '    ')}", "page", "exec")


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.code)
def test_what_is_wrong_on_a_page_is_named_and_what_is_right_passes(cause, tmp_path) -> None:
    wrong, right = code_on(pages()[cause.code].text)
    row = row_with(cause.code, wrong, tmp_path)
    assert row.verdict in ("wrong", "shape")
    assert row.cause == cause.code
    row = row_with(cause.code, right, tmp_path)
    assert row.verdict in ("exact", "rounding")
    assert row.cause is None
