"""HG109: what it says of local derivative, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import local_derivative

CASES = [
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = dh",
        (
            "The local derivative is missing: this is dh alone, as if h were x itself. The "
            "derivative of `h = torch.tanh(x)` is 1 - h**2."
        ),
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = h * (1 - h) * dh",
        ("The derivative in `h = torch.tanh(x)` is 1 - h**2; dh is multiplied by something else."),
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = dh * (1.0 - h)**2",
        ("The derivative in `h = torch.tanh(x)` is 1 - h**2; dh is multiplied by something else."),
        "dx = dh * (1 - h**2)",
    ),
    (
        "x 5 4",
        "h = torch.tanh(x)",
        "dx = (h > 0) * dh",
        (
            "The derivative in `h = torch.tanh(x)` is 1 - h**2; this line has the derivative "
            "of relu at x."
        ),
        "dx = (1 - h**2) * dh",
    ),
    (
        "x 5 4",
        "s = torch.sigmoid(x)",
        "dx = ds * s",
        (
            "The derivative in `s = torch.sigmoid(x)` is s * (1 - s); this line has the "
            "output s itself."
        ),
        "dx = ds * (s * (1 - s))",
    ),
    (
        "x 5 4",
        "s = torch.sigmoid(x)",
        "dx = x * (1 - x) * ds",
        (
            "The derivative in `s = torch.sigmoid(x)` is s * (1 - s); this line has x * (1 - "
            "x), the input x for the output s."
        ),
        "dx = s * (1 - s) * ds",
    ),
    (
        "x 5 4",
        "r = F.relu(x)",
        "dx = dr * r",
        "The derivative in `r = F.relu(x)` is x > 0; this line has the output r itself.",
        "dx = dr * (x > 0)",
    ),
    (
        "x 5 4",
        "a = F.silu(x)",
        "dx = torch.sigmoid(x) * (1 - torch.sigmoid(x)) * da",
        (
            "The derivative in `a = F.silu(x)` is torch.sigmoid(x) * (1 + x * (1 - "
            "torch.sigmoid(x))); this line has the derivative of sigmoid at x."
        ),
        "dx = torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x))) * da",
    ),
    (
        "x 5 4",
        "a = F.gelu(x)",
        (
            "t = torch.tanh(0.7978845608 * (x + 0.044715 * x**3))\n"
            "dx = (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * 0.7978845608 * (1 + 0.134145 * "
            "x**2)) * da"
        ),
        (
            "The derivative in `a = F.gelu(x)` is that of gelu; this line has the derivative "
            "of gelu with approximate='tanh' at x."
        ),
        (
            "dx = (0.5 * (1 + torch.erf(x / 2**0.5)) + x * torch.exp(-x**2 / 2) / (2 * "
            "torch.pi)**0.5) * da"
        ),
    ),
    (
        "x 5 4",
        ("p = x.abs() + 1\nl = p.log()"),
        "dp = dl * p",
        "The derivative in `l = p.log()` is 1 / p; this line has the input p itself.",
        "dp = dl / p",
    ),
    (
        "x 5 4",
        "c = x.sin()",
        "dx = dc * torch.sin(x)",
        ("The derivative in `c = x.sin()` is torch.cos(x); this line has the output c itself."),
        "dx = dc * torch.cos(x)",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "dx = dy.clone()",
        (
            "The local derivative is missing: this is dy alone, as if y were x itself. The "
            "forward pass has `y = x * b`."
        ),
        "dx = b * dy",
    ),
    (
        "x 4 3, b 1 3",
        "y = x * b",
        "db = dy.sum(0, keepdim=True)",
        (
            "The local derivative is missing: this is dy alone, as if y were b itself. The "
            "forward pass has `y = x * b`."
        ),
        "db = (x * dy).sum(0, keepdim=True)",
    ),
    (
        "x 3 4, W 4 4",
        (
            "h = torch.zeros(3, 4)\n"
            "pre = x + h @ W\n"
            "h1 = torch.tanh(pre)\n"
            "pre2 = x + h1 @ W\n"
            "h2 = torch.tanh(pre2)"
        ),
        "dpre2 = dh2",
        (
            "The local derivative is missing: this is dh2 alone, as if h2 were pre2 itself. "
            "The derivative of `h2 = torch.tanh(pre2)` is 1 - h2**2."
        ),
        "dpre2 = (1 - h2**2) * dh2",
    ),
    (
        "x 5 4",
        "s = torch.log(1 + torch.exp(x))",
        "dx = ds * torch.exp(x)",
        (
            "The derivative in `s = torch.log(1 + torch.exp(x))` is torch.sigmoid(x); this line "
            "has the derivative of exp at x."
        ),
        "dx = ds * torch.sigmoid(x)",
    ),
]
OTHERS = [
    ("x 5 4", "h = torch.tanh(x)", "dx = 1 - h**2", "HG108"),
    ("x 5 4", "h = torch.tanh(x)", "dx = -(1 - h**2) * dh", "HG102"),
    ("x 5 4", "h = torch.tanh(x)", "dx = (1 - h * 2) * dh", "HG116"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_says_whose_derivative_it_is(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (local_derivative.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause


OF_NODE = """torch.manual_seed(0)
logits = torch.randn(6, 4, requires_grad=True)
y = torch.randint(0, 4, (6,))
probs = F.softmax(logits, 1)
logprobs = probs.log()
loss = -logprobs[range(6), y].mean()
loss.backward()
dlogprobs = 1 / probs
"""


def test_the_derivative_that_belongs_to_the_step_above(explained) -> None:
    row = explained(OF_NODE, "dlogprobs")
    assert (row.cause, row.message, row.fix) == (
        local_derivative.CODE,
        "This is the derivative of `logprobs = probs.log()`, a factor of the gradient of probs; "
        "the gradient of logprobs is what comes from loss.",
        "dlogprobs = -1 / 6 * F.one_hot(y, logprobs.shape[1])",
    )
