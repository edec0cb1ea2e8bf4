"""What a check may cost: forward passes that no gradient follows from are never differentiated."""

import pytest

from checker.sessions import run_all
from handgrad.checker.pairs import losses
from handgrad.checker.passes import inner, truth
from handgrad.checker.passes.forward import ForwardPass
from handgrad.checker.record import evaluations
from handgrad.checker.record.trace import Op
from handgrad.checker.session import Session

DATA = """\
import torch
import torch.nn.functional as F
g = torch.Generator().manual_seed(0)
X = torch.randint(0, 9, (20000, 3), generator=g)
Y = torch.randint(0, 9, (20000,), generator=g)
C = torch.randn(9, 2, generator=g)
W = torch.randn(6, 50, generator=g)
V = torch.randn(50, 9, generator=g)
"""
STEP = """\
for step in range(2):
    ix = torch.randint(0, 20000, (8,), generator=g)
    emb = C[X[ix]]
    cat = emb.view(8, -1)
    h = torch.tanh(cat @ W)
    logits = h @ V
    loss = F.cross_entropy(logits, Y[ix])
    dlogits = F.softmax(logits, 1)
    dlogits[range(8), Y[ix]] -= 1
    dlogits /= 8
    dV = h.T @ dlogits
    dcat = (dlogits @ V.T * (1 - h**2)) @ W.T
    dW = cat.T @ (dlogits @ V.T * (1 - h**2))
    W = W - 0.1 * dW
    V = V - 0.1 * dV
"""
EVALUATION = """\
@torch.no_grad()
def evaluate(x, y):
    emb = C[x]
    cat = emb.view(len(x), -1)
    h = torch.tanh(cat @ W)
    logits = h @ V
    loss = F.cross_entropy(logits, y)
    print(loss.item())
evaluate(X, Y)
"""
SAMPLING = """\
for _ in range(3):
    emb = C[X[:1]]
    cat = emb.view(1, -1)
    probs = F.softmax(torch.tanh(cat @ W) @ V, 1)
"""
ORDERS = {
    "evaluated after": DATA + STEP + EVALUATION + SAMPLING,
    "evaluated before": DATA + EVALUATION + STEP,
    "evaluated in the loop": DATA + STEP + "    " + EVALUATION.replace("\n", "\n    "),
}
LARGEST = 10_000
"""In bytes: a step computes less, an evaluation of the whole data set 5 million."""


@pytest.fixture
def sizes(monkeypatch):
    """Collect the size of each pass that is differentiated."""
    seen = []

    def differentiated(forward: ForwardPass) -> truth.Pass:
        seen.append(forward.size)
        return truth.differentiated(forward)

    for module in ("handgrad.checker.check", losses, inner):
        path = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{path}.differentiated", differentiated)
    return seen


@pytest.mark.parametrize("code", ORDERS.values(), ids=ORDERS)
def test_an_evaluation_of_the_whole_data_set_is_not_differentiated(check, sizes, code):
    report = check(code)
    hands = {row.hand for row in report.rows if row.hand}
    assert hands == {"dlogits", "dV", "dcat", "dW"}
    assert {row.verdict for row in report.rows if row.hand} <= {"exact", "rounding"}
    assert max(sizes) < LARGEST
    assert len(sizes) <= 4


FULL = """\
import torch
torch.manual_seed(0)
x = torch.randn(2_000, 20)
t = torch.randn(2_000, 50)
W = torch.randn(20, 50)
for name in range(3):
    a = x @ W
    loss = ((a - t) ** 2).mean()
da = 2 * (a - t) / a.numel()
dW = x.T @ da
"""


def test_the_results_without_a_name_of_a_large_pass_are_not_tried(check, sizes, monkeypatch):
    wrong = FULL.replace("dW = x.T @ da", "e = da * 3\ndW = x.T @ e")
    monkeypatch.setattr(inner, "MOST_BYTES", 10_000)
    report = check(wrong)
    assert [row.hand for row in report.rows if row.blame == "root"] == ["dW"]
    few = len(sizes)
    monkeypatch.setattr(inner, "MOST_BYTES", 10_000_000)
    check(wrong)
    assert few < len(sizes) - few


AGAIN = DATA + STEP + EVALUATION + "evaluate(X, Y)\nevaluate(X, Y)\ndV = h.T @ dlogits\n"
RETURNS = AGAIN.replace("    print(loss.item())", "    return loss")
KEEPS = AGAIN.replace("    print(loss.item())", "    seen.append(h)").replace(
    "g =", "seen = []\ng ="
)


@pytest.mark.parametrize(("code", "n_kept"), [(AGAIN, 1), (RETURNS, 1), (KEEPS, 3)])
def test_of_evaluations_under_no_grad_the_first_one_is_kept(monkeypatch, code, n_kept) -> None:
    monkeypatch.setattr(evaluations, "LARGE", 1_000_000)
    session = Session()
    assert run_all(session, code, {}) == []
    large = [
        event
        for event in session.recorder.trace.events
        if type(event) is Op and any(t.shape == (20000, 9) for t in event.outputs)
    ]
    assert len(large) == n_kept
    assert session.recorder.failures == []
    rows = [row for row in session.finish("it").rows if row.hand]
    assert {row.hand for row in rows} == {"dlogits", "dV", "dcat", "dW"}
    assert {row.verdict for row in rows} <= {"exact", "rounding"}
