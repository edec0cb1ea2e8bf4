"""The notebook of an exercise: valid, readable, safe to run as it is."""

import ast

import nbformat
import pytest

from handgrad.checker.exercise.described import Forward, ForwardTensor
from handgrad.checker.exercise.notebook import Blank, blanks, code, exercise, markdown
from handgrad.checker.exercise.solution import by_gradient
from handgrad.checker.records import HINTS, Hint

H = Blank("dh", ForwardTensor("h", (3,), ("y = h * h", "z = h + 1")))
W = Blank("dw", ForwardTensor("w", (3, 2), ("h = x @ w",)))


def forward(*names: str) -> Forward:
    nodes = tuple(ForwardTensor(name, (1,), (f"loss = {name}",)) for name in names)
    return Forward("loss", None, 1, 1, nodes, ())


@pytest.mark.parametrize("hint", HINTS)
def test_it_is_a_valid_notebook(hint: Hint) -> None:
    given = [markdown("![p](attachment:p.png)", {"p.png": {"image/png": "AAAA"}}), code("x = 1")]
    made = exercise("f.py", "e.ipynb", given, "loss", [H, W], hint, {})
    nbformat.validate(made)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    sources = [cell["source"] for cell in made["cells"]]
    assert f"%handgrad {hint}" in sources[1]
    assert f"handgrad check e.ipynb --hint {hint}" in sources[-1]
    assert sources[2:-1] == [
        "## Forward",
        "![p](attachment:p.png)",
        "x = 1",
        "## Backward",
        "loss.backward()  # autograd's gradients, to compare yours with",
        "`dh`: `(3,)`\n\n```python\ny = h * h\nz = h + 1\n```",
        "dh = ...  # your line",
        "`dw`: `(3, 2)`\n\n```python\nh = x @ w\n```",
        "dw = ...  # your line",
    ]


def test_lines_replace_blanks() -> None:
    made = exercise("f.py", "e.ipynb", [], "loss", [H, W], "fix", {"dw": "dw = x.T @ dh"})
    code_cells = [c["source"] for c in made["cells"] if c["cell_type"] == "code"]
    assert code_cells[-2:] == ["dh = ...  # your line", "dw = x.T @ dh"]


def test_a_file_name_is_never_markup() -> None:
    made = exercise("a`b\n# c.py", "`\n```.ipynb", [], "loss", [H], "fix", {})
    assert made["cells"][0]["source"].startswith(
        "# The backward pass of `ab# c.py`, by hand\n\nThe forward pass is given."
    )
    assert "\nhandgrad check .ipynb --hint fix\n```" in made["cells"][-1]["source"]


def test_names_of_gradients() -> None:
    """A gradient's name is not a keyword, nor a name that the forward pass sets."""
    found = blanks(forward("h", "el", "ir", "ata", "x"), {"data", "dir", "dx", "d_x"})
    assert [blank.name for blank in found] == ["dh", "d_el", "d_ir", "d_ata", "grad_x"]
    every = {"dh", "d_h", "grad_h", "h_grad"}
    assert blanks(forward("h"), every) == []


def test_the_lines_of_a_solution() -> None:
    lines = [
        "# y = h * h",
        "t = dy * 2",
        "dh = t * h",
        "dC = torch.zeros_like(C)",
        "",
        "dC.index_add_(0, ix, dh)",
        "dh[0] = 1",
        "dh += dy",
        "dw = 1",
    ]
    assert by_gradient(lines, ["dh", "dC", "dw"]) == {
        "dh": "t = dy * 2\ndh = t * h\ndh[0] = 1\ndh += dy",
        "dC": "dC = torch.zeros_like(C)\ndC.index_add_(0, ix, dh)",
        "dw": "dw = 1",
    }


def test_the_setup_cell_is_python_without_its_magics() -> None:
    made = exercise("f.py", "e.ipynb", [], "loss", [H], "where", {})
    source = made["cells"][1]["source"]
    ast.parse(source.replace("%load_ext handgrad", "pass").replace("%handgrad where", "pass"))
