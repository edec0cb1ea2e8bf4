"""The result of a cause that holds."""

from dataclasses import dataclass
from typing import Literal

from handgrad.checker.records import Place


@dataclass(frozen=True)
class Finding:
    """`message` says what is wrong, in a sentence or two; None if the report says it already.

    `fix` is the corrected line; it has been run and gives the correct gradient. It replaces the
    user's statement, or the one at `at`; with `adds`, it goes below that one.
    """

    message: str | None
    fix: str | None = None
    at: Place | None = None
    adds: bool = False


@dataclass(frozen=True)
class Explanation:
    """The cause that holds for one gradient. `checked` is the verdict on the corrected line."""

    code: str | None
    finding: Finding
    checked: Literal["exact", "rounding"] | None
