"""Which errors say, on purpose, that something is not supported; the others are crashes."""

import re
import traceback

DTYPE_WORDS = re.compile(
    r"dtype|scalar type|\b(?:Half|BFloat16|Double|Float)\b|c10::|bfloat16|float16|float32|float64"
    r"|\b(?:fp|bf|f)(?:16|32|64)\b|half precision"
)
LAYOUT_WORDS = re.compile(r"contiguous|stride|layout|view size|memory format", re.IGNORECASE)
LIMIT_WORDS = re.compile(
    r"multiple of|divisible|power of|not (?:yet )?(?:supported|implemented)|unsupported"
    r"|only supports?|exceed|too (?:large|small|long|short)|at (?:least|most)\b",
    re.IGNORECASE,
)
_REFUSING = (TypeError, RuntimeError, NotImplementedError, ValueError, AssertionError)


def told(error: BaseException) -> str:
    """The error in a line: its type, what it says, or the assertion that failed."""
    said = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {said or _line(error) or 'no message'}"


def refuses_dtype(error: BaseException) -> bool:
    """Tell whether it says that a dtype is not supported."""
    return isinstance(error, _REFUSING) and bool(DTYPE_WORDS.search(told(error)))


def refuses_layout(error: BaseException) -> bool:
    """Tell whether it says that memory must lie in another way."""
    return isinstance(error, _REFUSING) and bool(LAYOUT_WORDS.search(told(error)))


def refuses(error: BaseException) -> bool:
    """Tell whether it was raised on purpose: by a raise or an assertion, or in such words."""
    if not isinstance(error, _REFUSING):
        return False
    return _line(error).startswith(("raise ", "assert ")) or bool(LIMIT_WORDS.search(str(error)))


def _line(error: BaseException) -> str:
    """The line of source that raised it; nothing where there is none (C, Triton)."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].line or "").strip() if frames else ""
