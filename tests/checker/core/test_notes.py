"""What is said apart from wrong: each note whole, from code that earns it, and none from other."""

import pytest

FORWARD = """
import torch
g = torch.Generator().manual_seed(1)
w = torch.randn(4, 3, generator=g, requires_grad=True)
x = torch.randn(5, 4, generator=g)
y = x @ w
h = torch.tanh(y)
loss = (h**2).mean()
loss.backward()
"""
RIGHT = """
dh = 2 * h / h.numel()
dy = dh * (1 - h**2)
dw = x.T @ dy
"""
SOFTMAX = """
import torch
import torch.nn.functional as F
g = torch.Generator().manual_seed(1)
logits = torch.randn(4, 3, generator=g, requires_grad=True)
maxes = logits.max(1, keepdim=True).values
norm = logits - maxes
counts = norm.exp()
loss = counts.sum(1).log().mean() - norm[range(4), [0, 1, 2, 0]].mean()
loss.backward()
dcounts = (1 / counts.sum(1, keepdim=True) / 4).expand_as(counts)
dnorm = counts * dcounts
dnorm[range(4), [0, 1, 2, 0]] -= 1 / 4
"""
CASES = {
    "alias": (
        FORWARD
        + "dh = 2 * h / h.numel()\ndy = dh * (1 - h**2)\ndalso = dy\ndalso += 0 * dy\n"
        "dw = x.T @ dy",
        ("HG201", 13, "`dalso += 0 * dy` also writes to dy: both names refer to the same memory. "
                      "The result is still correct here; .clone() separates them."),
    ),
    "overwritten": (
        FORWARD + RIGHT + "h *= 2",
        ("HG202", 14, "`h *= 2` overwrites h, a tensor of the forward pass. Lines that read it "
                      "afterwards get another value."),
    ),
    "rebuilt": (
        FORWARD + "h = torch.tanh(x @ w)" + RIGHT,
        ("HG203", 10, "h is computed again after the loss. Gradients that read it from here on "
                      "do not use the tensor that the loss was computed from."),
    ),
    "autograd's own": (
        FORWARD.replace("loss = ", "h.retain_grad()\nloss = ")
        + "dh = h.grad\ndy = dh * (1 - h**2)\ndw = x.T @ dy",
        ("HG204", 11, "dh is computed from h.grad, which autograd computed: this gradient is not "
                      "by hand and needs backward() to run."),
    ),
    "omitted": (
        SOFTMAX + "dlogits = dnorm.clone()",
        ("HG205", 14, "dlogits leaves out the contribution through maxes, which is exactly 0: "
                      "nothing is missing."),
    ),
    "cancel": (
        FORWARD + "dh = 4 * h / h.numel()\ndy = dh * (1 - h**2) / 2\ndw = x.T @ dy",
        ("HG206", 11, "dy is correct only because two mistakes cancel: one is in its own line, "
                      "the other is upstream."),
    ),
    "luck": (
        SOFTMAX + "dmaxes = dnorm.sum(1, keepdim=True)\n"
        "dlogits = dnorm + F.one_hot(logits.max(1).indices, 3) * dmaxes",
        ("HG207", 14, "dmaxes is correct only for these inputs: with other upstream gradients "
                      "this line gives a wrong result."),
    ),
    "masked": (
        FORWARD.replace("x @ w", "x @ w + b").replace("y = ", "b = torch.zeros(3, "
                                                     "requires_grad=True)\ny = ")
        + RIGHT + "db = dy.sum(0)",
        ("HG208", 6, "All elements of b are 0: a mistake in a gradient that reads it may not "
                     "show. Initialise it with random numbers while checking."),
    ),
    "shuffled": (
        "import random\nwords = ['a', 'b']\nmixed = words.copy()\nrandom.shuffle(mixed)\n"
        "print(len(mixed))" + FORWARD + RIGHT,
        ("HG209", 4, "mixed is shuffled here and never read afterwards: the code below uses "
                     "another order."),
    ),
    "slip": (
        FORWARD.replace("x @ w", "x @ w + b").replace("y = ", "b = torch.randn(1, 3, generator=g, "
                                                     "requires_grad=True)\ny = ")
        + RIGHT + "db = dy.sum(0)",
        ("HG210", 15, "db has shape (3,), b has shape (1, 3): keepdim=True corrects it."),
    ),
    "autograd off": (
        "import torch\nx = torch.tensor([1.0, 2.0, 100.0], requires_grad=True)\n"
        "s = 1 + torch.exp(x)\nloss = torch.log(s).sum()\nloss.backward()\n"
        "dx = torch.sigmoid(x)",
        (
            "HG211",
            6,
            "autograd's gradient of x is further from the truth than yours: it is not finite "
            "where the truth is.",
        ),
    ),
    "compared": (
        "def cmp(s, dt, t):\n    print(s, (dt - t).abs().max())" + FORWARD + RIGHT
        + "cmp('h', dh, y)",
        ("HG212", 15, "`cmp('h', dh, y)` compares dh with the gradient of y, but dh is the "
                      "gradient of h."),
    ),
    "again": (
        FORWARD + RIGHT + "dh = h * (2 / h.numel())",
        ("HG213", 14, "dh is computed again here and is correct."),
    ),
    "compared with an alias's node": (
        "def cmp(s, dt, t):\n    print(s, (dt - t).abs().max())" + FORWARD.replace(
            "y = x @ w", "b = torch.randn(5, 3, generator=g)\nz = x @ w\ny = z + b")
        + RIGHT + "dz = dy\ndb = dy\ncmp('y', dy, y)\ncmp('z', dz, z)\ncmp('b', db, b)\n"
        "cmp('b', dy, b)\ncmp('h', db, h)",
        ("HG212", 23, "`cmp('h', db, h)` compares dy with the gradient of h, but dy is the "
                      "gradient of y."),
    ),
    "decayed": (
        FORWARD + RIGHT + "dw += 0.01 * w.detach()\nw.data -= 0.1 * dw",
        ("HG217", 14, "`dw += 0.01 * w.detach()` adds to dw once finished: it is judged as it was "
                      "before."),
    ),
    "cut": (
        FORWARD + "for i in range(9):\n    y = x @ w\n    h = torch.tanh(y)\n"
        "    loss = (h**2).mean()\n    loss.backward()\n    dh = 2 * h / h.numel()",
        ("HG214", 10, "recording of this loop stopped after 2 steps; its other iterations ran "
                      "unrecorded."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_note_is_given_where_it_is_earned_and_no_other(check, name):
    code, (number, line, message) = CASES[name]
    report = check(code)
    assert [(n.code, n.place.line, n.message) for n in report.notes] == [(number, line, message)]


@pytest.mark.parametrize(
    "code",
    [
        FORWARD + RIGHT,
        FORWARD + "dh = 2 * h / h.numel()\ndy = dh.clone()\ndy *= 1 - h**2\ndw = x.T @ dy",
        FORWARD + RIGHT + "w.data -= 0.1 * dw",
        "words = ['a', 'b']\nimport random\nrandom.shuffle(words)\nprint(words)" + FORWARD + RIGHT,
        "def cmp(s, dt, t):\n    print(s)" + FORWARD + RIGHT + "cmp('h', dh, h)",
        SOFTMAX + "g = -dnorm.sum(1, keepdim=True)\ndlogits = dnorm.clone()\n"
        "dlogits += F.one_hot(logits.argmax(1), 3) * g",
        SOFTMAX + "dlogits = dnorm - F.one_hot(logits.argmax(1), 3) * dnorm.sum(1, keepdim=True)",
        FORWARD + RIGHT + "for i in range(30):\n    loss = ((x @ w)**2).mean()\n    "
        "w.grad = None\n    loss.backward()\n    w.data -= 0.1 * w.grad",
    ],
    ids=[
        "plain",
        "cloned",
        "update",
        "read",
        "compared rightly",
        "branch under another name",
        "branch without a name",
        "trained by autograd afterwards",
    ],
)
def test_no_note_without_cause(check, code):
    assert check(code).notes == ()
