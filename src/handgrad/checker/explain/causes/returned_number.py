"""The wrong number of gradients returned, or None where a gradient is expected.

What: a backward function returns fewer gradients than there are inputs, or None for an input that
the output depends on.

Why: gradients are matched to inputs by position: one for each input, None for an input that has no
gradient (an index, a flag).

Wrong:

    # forward(x, W, b)
    return dout @ W.T, x.T @ dout, None

Right:

    return dout @ W.T, x.T @ dout, dout.sum(0)
"""

from collections.abc import Callable, Sequence
from typing import Any

from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG132"
NAME = "wrong number returned"
ORDER = 60


def find(suspect: Suspect) -> Finding | None:
    """Find nothing: what is not returned has no statement; `handgrad.check` counts."""
    return None


def message(
    function: str, inputs: Sequence[str], asked: Sequence[str], returned: Sequence[Any]
) -> Callable[[str], str]:
    """Return what to say of an input without a gradient: `asked` are those that may have one."""
    count = len(returned)

    def message_for(name: str) -> str:
        if count in (len(inputs), len(asked)):
            return f"{function} returns None for {name}, but the output depends on it."
        many = f"{count} gradient{'' if count == 1 else 's'}"
        return (
            f"{function} returns {many}; {len(asked)} are expected, in the order of the inputs: "
            f"{', '.join(asked)}."
        )

    return message_for
