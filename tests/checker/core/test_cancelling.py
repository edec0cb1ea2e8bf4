"""Two mistakes that cancel: what is right in spite of the first inherits nothing from it."""

PROGRAM = """
import torch
import torch.nn.functional as F
torch.manual_seed(0)
X, Y = torch.randn(8, 5), torch.randint(0, 3, (8,))
W1, W2, W3 = (torch.randn(n, m, requires_grad=True) for n, m in ((5, 6), (6, 6), (6, 3)))
a1 = X @ W1
h1 = torch.tanh(a1)
a2 = h1 @ W2
h2 = torch.tanh(a2)
logits = h2 @ W3
loss = F.cross_entropy(logits, Y)
loss.backward()
dlogits = (F.softmax(logits, 1) - F.one_hot(Y, 3)) / 4
dW3 = h2.T @ dlogits
dh2 = dlogits @ W3.T
da2 = dh2 * (1 - h2**2)
dW2 = h1.T @ da2 / 2
dh1 = da2 @ W2.T / 2
da1 = dh1 * (1 - h1**2)
dW1 = X.T @ da1
"""


def test_only_what_is_wrong_inherits(check):
    report = check(PROGRAM)
    wrong = {r.hand: r.blamed_on for r in report.rows if r.verdict == "wrong"}
    assert wrong == {"dlogits": (), **dict.fromkeys(("dW3", "dh2", "da2"), ("dlogits",))}
    right = {r.hand: (r.blame, r.message) for r in report.rows if r.verdict != "wrong"}
    halved = ("root", "Off by the factor 1 / 2.")
    assert right == {"dW2": halved, "dh1": halved, "da1": (None, None), "dW1": (None, None)}


def test_without_the_mistakes_all_is_right(check):
    report = check(PROGRAM.replace(" / 2", "").replace(" / 4", " / 8"))
    assert {r.verdict for r in report.rows} <= {"exact", "rounding"}
