"""HG103: what it says of constant factor, and what it leaves to others."""

import pytest

from handgrad.checker.explain.causes import constant_factor

CASES = [
    (
        "x 32 7",
        (
            "n = 32\n"
            "n_hidden = 32\n"
            "Yb = torch.arange(32) % 7\n"
            "logprobs = F.log_softmax(x, 1)\n"
            "loss = -logprobs[range(n), Yb].mean()"
        ),
        ("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0"),
        "Off by the factor n = 32 (the rows of logprobs).",
        "dlogprobs[range(n), Yb] = -1.0 / n",
    ),
    (
        "x 32 7",
        (
            "n = 32\n"
            "n_hidden = 32\n"
            "Yb = torch.arange(32) % 7\n"
            "logprobs = F.log_softmax(x, 1)\n"
            "loss = -logprobs[range(n), Yb].mean()"
        ),
        ("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n / n"),
        "Off by the factor 1 / n, where n = 32 (the rows of logprobs).",
        "dlogprobs[range(n), Yb] = -1.0 / n",
    ),
    (
        "x 32 7",
        (
            "n = 32\n"
            "n_hidden = 32\n"
            "Yb = torch.arange(32) % 7\n"
            "logprobs = F.log_softmax(x, 1)\n"
            "loss = -logprobs[range(n), Yb].mean()"
        ),
        ("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] -= 1"),
        "Off by the factor n = 32 (the rows of logprobs).",
        "dlogprobs[range(n), Yb] -= 1 / n",
    ),
    (
        "x 32 7",
        (
            "n = 32\n"
            "n_hidden = 32\n"
            "Yb = torch.arange(32) % 7\n"
            "logprobs = F.log_softmax(x, 1)\n"
            "loss = -logprobs[range(n), Yb].mean()"
        ),
        (
            "dlogprobs = torch.zeros_like(logprobs)\n"
            "dlogprobs[range(n), Yb] = -1.0 / logprobs.shape[1]"
        ),
        "logprobs.shape[1] is used where n belongs, which counts the rows of logprobs.",
        "dlogprobs[range(n), Yb] = -1.0 / n",
    ),
    (
        "x 32 6, y 32 6",
        ("n = 32\nn_embd = 6\ndiff = x - y\nloss = (diff**2).mean()"),
        "ddiff = 2 * diff",
        "Off by the factor diff.numel() = 192 (the elements of diff).",
        "ddiff = 2 * diff / diff.numel()",
    ),
    (
        "x 32 6, y 32 6",
        ("n = 32\nn_embd = 6\ndiff = x - y\nloss = (diff**2).mean()"),
        "ddiff = diff / diff.numel()",
        "Off by the factor 1 / 2.",
        "ddiff = 2 * diff / diff.numel()",
    ),
    (
        "x 32 6, y 32 6",
        ("n = 32\nn_embd = 6\ndiff = x - y\nloss = (diff**2).mean()"),
        "ddiff = 2 * diff / n",
        "n is used where diff.numel() belongs, which counts the elements of diff.",
        "ddiff = 2 * diff / diff.numel()",
    ),
    (
        "q 4 6, k 4 6",
        ("head_size = 6\natt = q @ k.T * head_size**-0.5"),
        "dq = datt @ k",
        "Off by the factor head_size**0.5, where head_size = 6 (the columns of q).",
        "dq = datt @ k / head_size**0.5",
    ),
    (
        "q 4 6, k 4 6",
        ("head_size = 6\natt = q @ k.T * head_size**-0.5"),
        "dk = datt.T @ q / head_size",
        "Off by the factor 1 / head_size**0.5, where head_size = 6 (the columns of k).",
        "dk = datt.T @ q / head_size**0.5",
    ),
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d * dv",
        "Off by the factor n - 1, where n = 12 (the rows of d).",
        "dd = 2 * d * dv / (n - 1)",
    ),
    (
        "x 6 3",
        ("v = x**2 + 1\ns = torch.rsqrt(v)"),
        "dv = -v**-1.5 * ds",
        "Off by the factor 2.",
        "dv = -0.5 * v**-1.5 * ds",
    ),
    (
        "x 5 4",
        ("def f(a):\n    return a * 2\ny = f(x)"),
        "dx = f(f(dy))",
        "Off by the factor 2.",
        "dx = 2 * dy",
    ),
    (
        "x 2 5",
        "y = x.mean(0)",
        "dx = dy.expand(2, 5)",
        "Off by the factor 2.",
        "dx = 0.5 * dy.expand(2, 5)",
    ),
    ("x 2 5", "y = 2 * x", "dx = dy * 1.0", "Off by the factor 1 / 2.", "dx = dy * 2.0"),
]
OTHERS = [
    (
        "x 12 4",
        ("n = 12\nd = x - x.mean(0, keepdim=True)\nv = (d**2).sum(0, keepdim=True) / (n - 1)"),
        "dd = 2 * d * dv / n",
        "HG118",
    ),
    ("x 5 4", "h = torch.tanh(x)", "dx = 2 * h * dh", "HG109"),
    (
        "x 32 7",
        (
            "n = 32\n"
            "n_hidden = 32\n"
            "Yb = torch.arange(32) % 7\n"
            "logprobs = F.log_softmax(x, 1)\n"
            "loss = -logprobs[range(n), Yb].mean()"
        ),
        ("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1.0/n"),
        "HG102",
    ),
    ("x 4 3, b 1 3", "y = x * b", "db = (dy * x).mean(0, keepdim=True)", "HG117"),
]


@pytest.mark.parametrize(("leaves", "forward", "backward", "message", "fix"), CASES)
def test_it_names_the_factor(small, leaves, forward, backward, message, fix) -> None:
    row = small(leaves, forward, backward)
    assert (row.cause, row.message, row.fix) == (constant_factor.CODE, message, fix)
    assert (row.checked is None) == (fix is None)


@pytest.mark.parametrize(("leaves", "forward", "backward", "cause"), OTHERS)
def test_it_leaves_other_mistakes_alone(small, leaves, forward, backward, cause) -> None:
    row = small(leaves, forward, backward)
    assert row.verdict != "exact"
    assert row.cause == cause
