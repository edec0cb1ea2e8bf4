"""The notebook of an exercise: what is given, a blank for each gradient, how it is checked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from handgrad.checker.exercise.described import Forward, Node
from handgrad.checker.records import Hint

Cell = dict[str, Any]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SETUP = """\
# In Jupyter each cell that sets a gradient is followed by what handgrad finds in it.
try:
    %load_ext handgrad
    %handgrad {hint}
except Exception as missing:
    print(f"handgrad is not to be had here ({{missing}}); the check below works elsewhere, too")"""
TITLE = """\
# The backward pass of {name}, by hand

The forward pass is given. Write the gradient of `{loss}` with respect to each of its {n} tensors, \
from the last one back to the first: put your line in the place of each `...`.

- A gradient has the shape of its tensor. Above each blank stand the lines of the forward pass \
that read the tensor; where there are several, the gradient is the sum of what comes back through \
each.
- Use whatever the forward pass has named, and the gradients above.
- What is not written yet is no mistake."""
HINTS: dict[Hint, str] = {
    "where": "Wrong lines are named. `%handgrad what` also says what is the matter with them, "
    "`%handgrad fix` what to type.",
    "what": "Wrong lines are named, with what is the matter. `%handgrad fix` also says what to "
    "type, `%handgrad where` leaves the finding of it to you.",
    "fix": "Wrong lines are named, with what is the matter and what to type. `%handgrad where` "
    "leaves the finding of it to you.",
}
LAST = """\
## All of it

In a terminal, in this folder:

```
handgrad check {file} --hint {hint}
```"""
UNSAFE = re.compile(r"[`\r\n]+")  # of names in Markdown


@dataclass(frozen=True)
class Blank:
    """A gradient to be written: its name, and the node that it is the gradient of."""

    name: str
    node: Node

    @property
    def heading(self) -> str:
        """The Markdown above it."""
        shape = (
            f"({', '.join(map(str, self.node.shape))}{',' if len(self.node.shape) == 1 else ''})"
        )
        lines = "\n".join(self.node.undone)
        return f"`{self.name}`: `{shape}`\n\n```python\n{lines}\n```"


def blanks(forward: Forward, taken: Iterable[str]) -> list[Blank]:
    """Return a blank for each node, named `d` and its name unless that name is `taken`."""
    used = set(taken)
    found = []
    for node in forward.nodes:
        names = (f"d{node.name}", f"d_{node.name}", f"grad_{node.name}", f"{node.name}_grad")
        name = next((n for n in names if n not in used and not iskeyword(n)), None)
        if name is not None:
            used.add(name)
            found.append(Blank(name, node))
    return found


def exercise(
    name: str,
    file: str,
    given: Sequence[Cell],
    loss: str,
    asked: Sequence[Blank],
    hint: Hint,
    lines: Mapping[str, str],
) -> dict[str, Any]:
    """Return the notebook, in format 4.5.

    `name` is the forward pass's file, `file` this one's; `given` are the cells of the forward pass.
    `lines` holds, by a gradient's name, the code to stand in the place of its blank: all of them
    make the solution.
    """
    title = TITLE.format(name=_code(name), loss=loss, n=len(asked))
    cells = [
        markdown(f"{title}\n- {HINTS[hint]}"),
        code(SETUP.format(hint=hint)),
        markdown("## Forward"),
        *given,
        markdown("## Backward"),
        code(f"{loss}.backward()  # autograd's gradients, which yours are compared with"),
    ]
    for blank in asked:
        cells.append(markdown(blank.heading))
        cells.append(code(lines.get(blank.name, f"{blank.name} = ...  # your line")))
    cells.append(markdown(LAST.format(file=UNSAFE.sub("", file), hint=hint)))
    numbered = [{**cell, "id": f"handgrad-{n:03d}"} for n, cell in enumerate(cells, 1)]
    return {"cells": numbered, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def markdown(source: str, attachments: dict[str, Any] | None = None) -> Cell:
    """A cell of text; `attachments` are the pictures in it."""
    extra = {"attachments": attachments} if attachments else {}
    return {"cell_type": "markdown", "metadata": {}, "source": source, **extra}


def code(source: str) -> Cell:
    """A cell of code that has not run."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _code(text: str) -> str:
    return f"`{UNSAFE.sub('', text)}`"
