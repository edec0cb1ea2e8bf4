"""Gradients by hand in a source that has not run: names alone."""

import re

from handgrad.checker.record.gradient_names import hand_names


def has_hand_gradients(source: str) -> bool:
    """Tell, without running it, whether a file names a gradient by hand: `dh` beside `h`.

    Works on code that Python alone cannot parse (magics), line by line.
    """
    names: set[str] = set()
    for line in re.split(r"[\n;]", source):
        target = re.match(
            r"\s*(?:def \w+\()?([\w\s,.\[\]:'\"]+?)\s*(?:[-+*/@|&]|\*\*|//)?=[^=]", line
        )
        if target:
            names.update(re.findall(r"[A-Za-z_]\w*", target[1]))
        names.update(re.findall(r"\bfor\s+(\w+)\b|\bdef\s+\w+\(([^)]*)\)", line) and _bound(line))
    return bool(hand_names(names)) or bool(_COMPARED.search(source))


def may_have_gradients(source: str) -> bool:
    """Tell, without running it, whether a file may compute gradients by hand under any name."""
    code = _PROSE.sub("", source)
    steps = _STEP.search(code) is not None and ".backward(" not in code
    return (
        has_hand_gradients(source)
        or bool(_HINTS.search(_AUTOGRAD.sub("", code)))
        or (steps and _TRANSPOSES.search(code) is not None)
    )


_AUTOGRAD = re.compile(
    r"requires_grad\w*|no_grad|zero_grad|\w*\.backward\(|set_grad_enabled|enable_grad|retain_grad|"
    r"autograd|clip_grad\w*|\.grad\b(?!\s*[-+*/]?=(?!\s*None\b))"
)
"""What autograd has to do with gradients: no gradient by hand."""
_PROSE = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"|#[^\n]*", re.DOTALL)
"""Comments, and texts of several lines."""
_HINTS = re.compile(
    r"grad|delta|def \w*(?:back|bprop)|\w*error\b\s*[-+*]?=|[-+]=[^\n]*(?:\.T\b|\.t\(\)|\bdot\()",
    re.IGNORECASE,
)
"""The last: an update with a product by a transpose."""
_STEP = re.compile(r"-=(?!\s*1\b)")
_TRANSPOSES = re.compile(r"\.T\b|\.t\(\)|\btranspose\(|\bswapaxes\(")
"""Steps down and products by transposes: a model that is trained without autograd."""
_COMPARED = re.compile(r"\w+\(\s*(['\"])\w+\1\s*,\s*(?:d|grad_?)\w+\s*,\s*\w+(?:\.grad)?\s*\)")


def _bound(line: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", line))
