"""The checked file's own modules: their arrays become tracked too.

Their statements get no names: the report's lines are those of the file itself.
"""

import ast
import builtins
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from handgrad.checker.record.entering import entering, uses_numpy
from handgrad.checker.record.targets import HOOK

_INSTALLED = [Path(p).resolve() for p in (sys.prefix, sys.base_prefix)]
_OWN = Path(__file__).resolve().parents[2]


def follow_own_modules(hook: object) -> None:
    """From now on, compile modules that are not installed with hooks, if they use NumPy."""
    plainly = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        if not _is_own(loader.path):
            return plainly(loader, name)
        try:
            tree = ast.parse(loader.get_data(loader.path))
        except SyntaxError:  # let the import itself raise it
            return plainly(loader, name)
        if not uses_numpy(tree):
            return plainly(loader, name)
        code: CodeType = compile(entering(tree), loader.path, "exec", dont_inherit=True)
        return code

    setattr(builtins, HOOK, hook)
    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def _is_own(path: str) -> bool:
    """Tell whether a module belongs to the user."""
    file = Path(path).resolve()
    installed = any(file.is_relative_to(folder) for folder in (*_INSTALLED, _OWN))
    return not installed and "site-packages" not in file.parts
