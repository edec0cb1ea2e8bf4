"""The notebook of an exercise: the forward pass, a blank for each gradient, how to check it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from handgrad.checker.exercise.described import Forward, ForwardTensor
from handgrad.checker.records import Hint

NotebookCell = dict[str, Any]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SETUP = """\
# In Jupyter, handgrad checks each cell that sets a gradient.
try:
    %load_ext handgrad
    %handgrad {hint}
except Exception as error:
    print(f"handgrad is not available here ({{error}}); check it with the command below")"""
TITLE = """\
# The backward pass of {name}, by hand

The forward pass is given. Write the gradient of `{loss}` with respect to each of its {n} tensors, \
from the last one back to the first: replace each `...` with your code.

- A gradient has the shape of its tensor.
- Above each blank are the lines of the forward pass that read the tensor. If there are several, \
the gradient is the sum of their contributions.
- Use any name of the forward pass, and the gradients that you have already written.
- A gradient that is not written yet does not count as a mistake."""
HINTS: dict[Hint, str] = {
    "where": "handgrad names the wrong lines. `%handgrad what` also explains what is wrong with "
    "them, and `%handgrad fix` also shows the corrected line.",
    "what": "handgrad names the wrong lines and explains what is wrong with them. "
    "`%handgrad fix` also shows the corrected line, and `%handgrad where` only names the lines.",
    "fix": "handgrad names the wrong lines, explains what is wrong with them and shows the "
    "corrected line. `%handgrad where` only names the lines.",
}
LAST = """\
## Check everything

In a terminal, in this folder:

```
handgrad check {file} --hint {hint}
```"""
UNSAFE = re.compile(r"[`\r\n]+")  # in a name within Markdown


@dataclass(frozen=True)
class Blank:
    """A gradient to be written: its name and its tensor."""

    name: str
    tensor: ForwardTensor

    @property
    def heading(self) -> str:
        """The Markdown above the blank: name, shape, and the lines that read the tensor."""
        lines = "\n".join(self.tensor.readers)
        return f"`{self.name}`: `{self.tensor.shape}`\n\n```python\n{lines}\n```"


def blanks(forward: Forward, taken: Iterable[str]) -> list[Blank]:
    """Return a blank for each tensor: `dh` for `h`, or another usual name if `dh` is `taken`."""
    used = set(taken)
    written = []
    for tensor in forward.tensors:
        of = tensor.name
        names = (f"d{of}", f"d_{of}", f"grad_{of}", f"{of}_grad")
        name = next((n for n in names if n not in used and not iskeyword(n)), None)
        if name is not None:
            used.add(name)
            written.append(Blank(name, tensor))
    return written


def exercise(
    name: str,
    file: str,
    given: Sequence[NotebookCell],
    loss: str,
    asked: Sequence[Blank],
    hint: Hint,
    lines: Mapping[str, str],
) -> dict[str, Any]:
    """Return the notebook, in format 4.5.

    `name` is the file of the forward pass, `file` that of the notebook. `given` are the cells of
    the forward pass. `lines` has the code that replaces a blank, by the name of the gradient; the
    solution has it for all of them.
    """
    title = TITLE.format(name=_code(name), loss=loss, n=len(asked))
    cells = [
        markdown(f"{title}\n- {HINTS[hint]}"),
        code(SETUP.format(hint=hint)),
        markdown("## Forward"),
        *given,
        markdown("## Backward"),
        code(f"{loss}.backward()  # autograd's gradients, to compare yours with"),
    ]
    for blank in asked:
        cells.append(markdown(blank.heading))
        cells.append(code(lines.get(blank.name, f"{blank.name} = ...  # your line")))
    cells.append(markdown(LAST.format(file=UNSAFE.sub("", file), hint=hint)))
    numbered = [{**cell, "id": f"handgrad-{n:03d}"} for n, cell in enumerate(cells, 1)]
    return {"cells": numbered, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def markdown(source: str, attachments: dict[str, Any] | None = None) -> NotebookCell:
    """Return a text cell; `attachments` are its pictures."""
    extra = {"attachments": attachments} if attachments else {}
    return {"cell_type": "markdown", "metadata": {}, "source": source, **extra}


def code(source: str) -> NotebookCell:
    """Return a code cell that has not run."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _code(text: str) -> str:
    return f"`{UNSAFE.sub('', text)}`"
