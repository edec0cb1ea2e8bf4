"""`%load_ext handgrad`: each cell that defines gradients by hand is followed by its verdicts.

extension   what IPython calls: before and after each cell, and on each cell's syntax tree
hook        what `__handgrad__` stands for in the user's names
source      where in its cell a syntax tree stands
watch       one long-lived recording of all cells, and what of it is kept
grading     which gradients a cell is answerable for, and their rows
stale       gradients computed from a forward pass that has been run again since
verdicts    the rows as Jupyter and consoles show them
deriving    the backward pass, for a new cell
magic       `%handgrad where|what|fix|...`

Loading it imports no torch: that waits until the user's own cells have.
"""

from typing import Any

from handgrad.checker.record.instrument import HOOK

_loaded: list[Any] = []
"""The extension at work, if there is one. Here, as `%reload_ext` runs `handgrad` itself again."""


def load(shell: Any) -> None:
    """Start watching, unless `handgrad` watches this shell already."""
    from handgrad.notebook.extension import Extension

    if _loaded or HOOK in shell.user_ns:  # `handgrad check` runs the notebook
        return
    extension = Extension(shell)
    extension.enter()
    _loaded.append(extension)


def unload(shell: Any) -> None:
    """Stop watching and leave no trace in the shell."""
    while _loaded:
        _loaded.pop().leave()
