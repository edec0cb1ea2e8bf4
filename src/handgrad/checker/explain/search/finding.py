"""What a cause says when it holds."""

from dataclasses import dataclass
from typing import Literal

from handgrad.checker.records import Place


@dataclass(frozen=True)
class Finding:
    """`message` is what is the matter, in a sentence or two; None: what the report says anyway.

    `fix` is the line that mends it; it has been run and makes what is right. It stands in the place
    of the user's statement, or of the one at `at`; with `adds`, below that one.
    """

    message: str | None
    fix: str | None = None
    at: Place | None = None
    adds: bool = False


@dataclass(frozen=True)
class Explanation:
    """The cause that holds for one gradient. `checked` is what the corrected line gave."""

    code: str | None
    finding: Finding
    checked: Literal["exact", "rounding"] | None
