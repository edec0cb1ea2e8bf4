"""What is still judged below a statement that raised."""

from pathlib import Path

import pytest

from checker.run.conftest import Writer
from handgrad.checker.run.run import check_file

START = """import torch
torch.manual_seed(0)
x = torch.randn(8, 4)
W1 = torch.randn(4, 6, requires_grad=True)
W2 = torch.randn(6, 3, requires_grad=True)
h = torch.tanh(x @ W1)
logits = h @ W2
loss = (logits**2).mean()
loss.backward()
"""
FAILING = {
    "a product": (
        "dlogits = 2 * logits / 24\ndW2 = dlogits @ h\ndh = dlogits @ W2.T\n"
        "dW1 = x.T @ ((1 - h**2) * dh)\n",
        {"dlogits", "dh", "dW1"},
        [11],
    ),
    "a change of a part": (
        "dlogits = 2 * logits / 24\ndlogits[range(m)] -= 0\ndW2 = h.T @ dlogits\n"
        "dh = 2 * logits / 24 @ W2.T\n",
        {"dlogits", "dh"},
        [11],
    ),
    "a name that is set again": (
        "dlogits = 2 * logit / 24\ndlogits = 2 * logits / 24\ndW2 = h.T @ dlogits\n",
        {"dlogits", "dW2"},
        [10],
    ),
    "a comparison": (
        "dlogits = 2 * logits / 24\nprint(logits.grad.abs())\ndW2 = h.T @ dlogits\n",
        {"dlogits", "dW2"},
        [11],
    ),
    "two lines": (
        "dlogits = 2 * logits / 24\ndW2 = dlogits @ h\ndh = W2 @ dlogits\n"
        "dW1 = x.T @ ((1 - h**2) * dh)\n",
        {"dlogits"},
        [11, 12],
    ),
}


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("as_notebook", [False, True])
def test_gradients_that_need_nothing_of_it(
    tmp_path: Path, notebook: Writer, name: str, as_notebook: bool
) -> None:
    code, hands, lines = FAILING[name]
    path = notebook(START + code) if as_notebook else tmp_path / "p.py"
    if not as_notebook:
        path.write_text(START + code)
    report = check_file(path).report
    assert {row.hand for row in report.rows if row.hand} == hands
    assert report.ok
    assert [error.line for error in report.errors] == lines
