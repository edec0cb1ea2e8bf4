"""Which lines of a file an exercise keeps."""

import pytest

from handgrad.checker.exercise.described import Forward
from handgrad.checker.exercise.keep import Keeper, docstring, script_cells
from handgrad.errors import CheckError


def keeper(line: int, cell: int | None = None, last: int | None = None, *by_hand: str) -> Keeper:
    return Keeper("f.py", Forward("loss", cell, line, last or line, (), by_hand))


def test_everything_up_to_the_loss() -> None:
    source = "x = 1\nloss = f(\n    x,\n)\nfor p in ps:\n    p.grad = None\nloss.backward()\ndx = 2"
    assert keeper(2).keep(source, None) == "x = 1\nloss = f(\n    x,\n)"


def test_a_block_around_the_loss_is_kept_whole() -> None:
    source = "with f():\n    loss = g()\n    x = loss\nloss.backward()"
    assert keeper(2).keep(source, None) == "with f():\n    loss = g()\n    x = loss"


@pytest.mark.parametrize("loop", ["for i in n", "while True"])
def test_a_loss_in_a_loop_is_refused(loop: str) -> None:
    with pytest.raises(CheckError) as caught:
        keeper(2).keep(f"{loop}:\n    loss = f()\n", None)
    assert str(caught.value) == (
        "f.py: the loss (line 2) is computed in a loop;"
        " an exercise needs a forward pass outside any loop"
    )


BY_HAND = """\
import torch
x = 1

# kept with what it stands above
y = x * 2
dx = 3
dx += 4
twice = dx * 2
print(twice)
def cmp(a, b):
    return a == b
cmp(dx, x)
@deco
def back(
    g):
    return g * dx
z = back(x)
twice = 5
print(twice)
loss = y
"""
KEPT = """\
import torch
x = 1

# kept with what it stands above
y = x * 2
def cmp(a, b):
    return a == b
twice = 5
print(twice)
loss = y"""


def test_gradients_by_hand_and_lines_that_depend_on_them_are_left_out() -> None:
    assert keeper(20, None, None, "dx").keep(BY_HAND, None) == KEPT


def test_from_cell_to_cell() -> None:
    kept = keeper(1, 3, None, "dx")
    assert kept.keep("dx = 1\nt = dx", 1) == ""
    assert kept.keep("u = t\nx = 1", 2) == "x = 1"
    assert kept.keep("loss = x\nloss.backward()", 3) == "loss = x"


def test_magics_are_kept() -> None:
    source = "%matplotlib inline\n!ls\nif x:\n    %time y = 1\ndx = 1\nloss = y\n%who"
    assert keeper(6, 1, None, "dx").keep(source, 1) == (
        "%matplotlib inline\n!ls\nif x:\n    %time y = 1\nloss = y"
    )


def test_a_cell_that_does_not_parse_is_cut_by_its_lines() -> None:
    source = "files = !ls\nloss = f(\n    1)\nmore"
    assert keeper(2, 1, 3).keep(source, 1) == "files = !ls\nloss = f(\n    1)"


def test_names_that_a_gradient_must_not_take() -> None:
    kept = keeper(9, 9)
    kept.keep("import a.b as c, d.e\nf, (g, h) = 1\ndef i(j): k = 1\nfor m in n: o = 1", 1)
    assert {"c", "d", "f", "g", "h", "i", "m", "o", "print"} <= kept.names
    assert not {"a", "b", "e", "j", "n"} & kept.names


SCRIPT = '''"""What it is.

In short.
"""
import torch
x = 1

def f():

    return """a

    b"""


# about y
y = 2
'''


def test_a_script_in_cells() -> None:
    assert docstring(SCRIPT) == "What it is.\n\nIn short."
    assert script_cells(SCRIPT) == [
        "import torch\nx = 1",
        'def f():\n\n    return """a\n\n    b"""',
        "# about y\ny = 2",
    ]
    assert docstring("x = 1") is None
