"""Errors that deliberately say that something is not supported. All others are crashes."""

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
_RAISED = re.compile(r"(?:^|:\s*)(?:raise|assert)\b")
_CRASHES = (ArithmeticError, AttributeError, LookupError, MemoryError, NameError, OSError)
"""Error types that nobody raises to say that something is not supported."""


def error_line(error: BaseException) -> str:
    """Return the error on one line: its type and message, or the assertion that failed."""
    message = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {message or _source_line(error) or 'no message'}"


def refuses_in(words: re.Pattern[str], error: BaseException) -> bool:
    """Return whether the error says in these words that something is not supported."""
    return not isinstance(error, _CRASHES) and bool(words.search(error_line(error)))


def refuses(error: BaseException) -> bool:
    """Return whether the error is deliberate: from `raise` or `assert`, or in words of a limit."""
    if isinstance(error, _CRASHES):
        return False
    return bool(_RAISED.search(_source_line(error)) or LIMIT_WORDS.search(str(error)))


def _source_line(error: BaseException) -> str:
    """Return the line of source that raised the error; "" where there is none (C, Triton)."""
    if hasattr(error, "source_line"):  # raised in another process
        return str(error.source_line)
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].line or "").strip() if frames else ""
