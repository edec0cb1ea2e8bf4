"""`%load_ext handgrad`: show the verdicts below each cell that defines gradients by hand.

extension   what IPython calls: before and after each cell, and on each cell's syntax tree
magic       `%handgrad where|what|fix|...`
journal     the verdicts so far, and what is shown after a cell
hook        the object named `__handgrad__` in the user's namespace
source      where in its cell a syntax tree is
trees       changes to a cell's syntax tree
watch       one recording of all cells, and which part of it is kept
grading     the gradients that a cell defines, and their rows
stale       gradients computed from a forward pass that has run again since
verdicts    the rows as Jupyter and consoles show them
deriving    the backward pass, for a new cell

Loading it does not import torch; it waits until the user's cells do.
"""

from typing import Any

from handgrad.checker.record.targets import HOOK

_loaded: list[Any] = []
"""The loaded extension, if any. It is kept here, as `%reload_ext` reloads the package handgrad."""


def load(shell: Any) -> None:
    """Start watching, unless handgrad already watches this shell."""
    from handgrad.notebook.extension import Extension

    if _loaded or HOOK in shell.user_ns:  # `handgrad check` is running the notebook
        return
    extension = Extension(shell)
    extension.enter()
    _loaded.append(extension)


def unload(shell: Any) -> None:
    """Stop watching, and remove everything from the shell."""
    while _loaded:
        _loaded.pop().leave()
