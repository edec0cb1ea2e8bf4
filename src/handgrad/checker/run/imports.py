"""Modules beside the checked file: their arrays become tracked too.

Their statements get no names: the report's lines are those of the file itself.
"""

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from handgrad.checker.record.entering import entering, uses_numpy
from handgrad.checker.record.instrument import HOOK


class LocalModules(MetaPathFinder):
    """Finds the modules in a folder, apart from installed ones in it (.venv)."""

    def __init__(self, folder: Path, hook: object) -> None:
        self._folder, self._hook = folder, hook

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's spec if it is a Python file in the folder."""
        spec = PathFinder.find_spec(name, path, target)
        file = Path(spec.origin) if spec is not None and spec.origin else None
        if spec is None or file is None or file.suffix != ".py":
            return None
        if not file.is_relative_to(self._folder) or "site-packages" in file.parts:
            return None
        spec.loader = _Loader(name, str(file), self._hook)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, hook: object) -> None:
        super().__init__(name, path)
        self._hook = hook

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[HOOK] = self._hook
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the module with the hooks in it; as it is where it does not use NumPy."""
        data = self.get_data(self.path)
        tree = ast.parse(data)
        if not uses_numpy(tree):
            return super().get_code(fullname)
        code: CodeType = compile(entering(tree), self.path, "exec", dont_inherit=True)
        return code


def follow_local_modules(folder: Path, hook: object) -> None:
    """From now on, import the modules of a folder with hooks."""
    sys.meta_path.insert(0, LocalModules(folder, hook))
