"""An error of the candidate as data, and back."""

import builtins
import os
import traceback
from typing import Any

import torch


def described_error(error: BaseException) -> dict[str, Any]:
    """Return an error as data: its types, message, source line and place."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(os.path.dirname(torch.__file__))]
    last = own[-1] if own else None
    if "allocate memory" in str(error) or "bad_alloc" in str(error):
        error = MemoryError(str(error).split("\n")[0])
    return {
        "types": [t.__name__ for t in type(error).__mro__],
        "text": str(error)[:2000],
        "line": (frames[-1].line or "").strip() if frames else "",
        "where": f"{os.path.basename(last.filename)}:{last.lineno}" if last else "",
    }


def error_of(answer: dict[str, Any]) -> Exception:
    """Return an error of the candidate as one of the same name and built-in type."""
    types = [str(t) for t in answer["types"]]
    bases = [getattr(builtins, t, None) for t in types]
    known = [b for b in bases if isinstance(b, type) and issubclass(b, BaseException)]
    base = known[0] if known and issubclass(known[0], Exception) else RuntimeError
    if base in (UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError):
        base = ValueError
    kind = base if base.__name__ == types[0] else type(types[0], (base,), {})
    error: Any = kind(str(answer["text"]))
    error.source_line = str(answer["line"])
    error.where = str(answer["where"])
    return error  # type: ignore[no-any-return]
