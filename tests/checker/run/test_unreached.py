"""What is said of a file whose backward pass raises on its way."""

import pytest

import handgrad

FORWARD = """\
import torch
import torch.nn.functional as F

torch.manual_seed(0)
x = torch.randn(16, 5)
y = torch.randint(0, 4, (16,))
W = torch.randn(5, 4, requires_grad=True)
logits = x @ W
loss = F.cross_entropy(logits, y)
loss.backward()
"""
BEGUN = "dlogits = F.softmax(logits, 1)\n"


@pytest.fixture
def text(tmp_path, monkeypatch):
    """Return the text of the report on a backward pass."""
    monkeypatch.chdir(tmp_path)

    def run(backward: str) -> str:
        (tmp_path / "net.py").write_text(FORWARD + backward)
        return handgrad.check_file("net.py").report.to_text()

    return run


def test_a_gradient_that_an_error_interrupts_is_not_judged(text) -> None:
    assert text(f"{BEGUN}dlogits[range(m), y] -= 1\ndW = x.T @ dlogits\n") == (
        "net.py\n\n"
        "Not reached because of an error: dlogits, dW\n\n"
        "Errors in the file\n"
        "  line 12  NameError: name 'm' is not defined\n\n"
        "0 gradients by hand; 2 not reached; 1 error in the file.\n"
    )


def test_a_name_that_is_almost_there_is_offered(text) -> None:
    found = text("dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / 16\ndW = x.T @ ddlogits\n")
    assert "Not reached because of an error: dW" in found
    assert "line 12  NameError: name 'ddlogits' is not defined; did you mean dlogits?" in found


def test_a_wrong_gradient_above_the_error_is_still_blamed(text) -> None:
    found = text(f"{BEGUN}dW = x.T @ dlogits\ndx = dlogits @ m\n")
    assert "Lines to blame\n  ✗ dlogits   line 11" in found
    assert "to blame for 1 other: dW" in found


def test_a_product_that_raises_is_told_the_shape_that_is_due_and_the_product_that_has_it(
    text,
) -> None:
    found = text(
        "dlogits = (F.softmax(logits, 1) - F.one_hot(y, 4)) / 16\nx = x + 0\ndW = x @ dlogits\n"
    )
    assert " ".join(found.split()).endswith(
        "Not reached because of an error: dW Errors in the file line 13 RuntimeError: mat1 and "
        "mat2 shapes cannot be multiplied (16x5 and 16x4) (x (16, 5) and dlogits (16, 4)); the "
        "gradient of W has the shape (5, 4), as x.T @ dlogits has 1 gradient by hand: 1 correct up "
        "to rounding; 1 not reached; 1 error in the file."
    )


def test_a_comparison_with_a_tensor_made_after_backward_says_whose_grad_is_none(text) -> None:
    compare = (
        "def cmp(s, dt, t):\n    print(s, torch.all(dt == t.grad).item())\n"
        "dW = x.T @ ((F.softmax(logits, 1) - F.one_hot(y, 4)) / 16)\n"
    )
    found = text(f"{compare}W = torch.randn(5, 4, requires_grad=True)\ncmp('W', dW, W)\n")
    said = "W.grad is None: W was created after backward(), or the loss does not depend on it"
    assert said in " ".join(found.split())
    assert "is None" not in text(f"{compare}cmp('W', dW, W)\n")


def test_without_backward_the_shapes_are_told_too(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "import torch\nx = torch.randn(16, 5); w = torch.randn(5, 6); v = torch.randn(6, 4)\n"
        "h = torch.tanh(x @ w); z = h @ v; loss = (z**2).sum()\n"
        "dz = 2 * z\ndh = dz @ v\ndw = x.T @ ((1 - h**2) * dh)\ndv = h.T @ dz\n"
    )
    assert handgrad.check_file("net.py").report.to_text() == (
        "net.py\n\n"
        "Right\n"
        "  ✓ dz    line 4  f32[16,4]  exact\n"
        "  ✓ dv    line 7  f32[6,4]   exact\n\n"
        "Not reached because of an error: dh, dw\n\n"
        "Errors in the file\n"
        "  line 5  RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x4 and 6x4) (dz (16, "
        "4) and v\n          (6, 4)); the gradient of h has the shape (16, 6), as dz @ v.T has\n\n"
        "2 gradients by hand: 2 exact; 2 not reached; 1 error in the file.\n"
    )


def test_a_comparison_with_a_tensor_computed_again_says_whose_grad_is_none(text) -> None:
    compare = (
        "def cmp(s, dt, t):\n    print(s, torch.all(dt == t.grad).item())\n"
        "dW = x.T @ ((F.softmax(logits, 1) - F.one_hot(y, 4)) / 16)\n"
    )
    found = text(f"{compare}W = torch.randn(5, 4)\ncmp('W', dW, W)\n")
    said = "W.grad is None: W was computed again after backward(), or needs no grad"
    assert said in " ".join(found.split())
