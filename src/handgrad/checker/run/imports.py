"""The checked file's own modules: what their functions compute is recorded and judged as well.

`from layers import affine_backward` and a file that is loaded by its path are followed; so is code
that the file compiles from another file. Installed packages are not.
"""

import ast
import builtins
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from handgrad.checker.record.entering import imports
from handgrad.checker.record.targets import HOOK
from handgrad.checker.session import Session

_INSTALLED = [Path(p).resolve() for p in (sys.prefix, sys.base_prefix)]
_OWN = Path(__file__).resolve().parents[2]
COMPUTING = ("numpy", "autograd", "torch")
"""A module that imports none of these computes no gradients."""

_IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
_LOADS = re.compile(r"\bimportlib\b|\brunpy\b|\bexec\s*\(")


def follow_own_modules(session: Session, folder: Path) -> None:
    """From now on, compile with hooks what is not installed and computes with arrays or tensors.

    Files are named in the report as they lie in `folder`, where the checked file is.
    """
    load, plainly = SourceFileLoader.get_code, builtins.compile

    def followed(source: str | bytes, path: str) -> CodeType | None:
        """Return the code with hooks; None where the module is to be compiled as ever."""
        if not _is_own(path):
            return None
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # let the import itself raise it
            return None
        if not imports(tree, COMPUTING):
            return None
        text = source if isinstance(source, str) else source.decode("utf-8", errors="replace")
        tree = session.follow(tree, _name(path, folder), text, path)
        code: CodeType = plainly(tree, path, "exec", dont_inherit=True)
        return code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        return followed(loader.get_data(loader.path), loader.path) or load(loader, name)

    def compile_(source: Any, filename: Any, mode: str, *args: Any, **options: Any) -> Any:
        """Do what compile() does; `exec(compile(text, path, "exec"), names)` loads a module."""
        code = None
        if mode == "exec" and isinstance(source, str) and isinstance(filename, str):
            code = followed(source, filename) if filename.endswith(".py") else None
        return plainly(source, filename, mode, *args, **options) if code is None else code

    setattr(builtins, HOOK, session.hook)
    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    builtins.compile = compile_


def own_modules(source: str, folder: Path) -> list[str] | None:
    """Return the sources of modules in `folder` that a file imports, without running it.

    None where it loads modules in another way, so that only the run shows which.
    """
    if _LOADS.search(source):
        return None
    found = (folder / name for name in dict.fromkeys(_IMPORTED.findall(source)))
    files = (f for path in found for f in (path.with_suffix(".py"), *path.glob("**/*.py")))
    return [f.read_text(encoding="utf-8", errors="replace") for f in files if f.is_file()]


def _name(path: str, folder: Path) -> str:
    """Return what the report calls the file."""
    file = Path(path).resolve()
    within = file.is_relative_to(folder.resolve())
    return file.relative_to(folder.resolve()).as_posix() if within else file.name


def _is_own(path: str) -> bool:
    """Tell whether a module belongs to the user."""
    file = Path(path).resolve()
    installed = any(file.is_relative_to(folder) for folder in (*_INSTALLED, _OWN))
    return not installed and "site-packages" not in file.parts and file.is_file()
