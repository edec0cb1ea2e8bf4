"""Stand-ins for modules that are not installed here, so that a check can go on without them.

A stand-in has every attribute, and calling it does nothing. Where its value would matter, in a
tensor computation or as a number, it raises an error that names the missing module.
"""

import ast
import dis
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any, NoReturn

from handgrad.checker.records import CellError, Note, Place
from handgrad.checker.run.failure import CELL_NAME
from handgrad.text import listed

CODE = "HG284"
NOT_INSTALLED = "is not installed"
"""In every error that a missing module leads to."""
LEFT_OUT = "the file ran without, and nothing that is graded here depends on it."
CATCHES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
RANGES = {"trange", "prange"}
"""Functions whose result is `range` of their first argument."""


class StandIn:
    """A value of a module that is not installed. `_handgrad_path` says how it was reached."""

    def __init__(
        self, owner: "StandIns", path: str, first: tuple[Any, ...] = (), name: str = ""
    ) -> None:
        self.__dict__.update(_owner=owner, _handgrad_path=path, _first=first)
        self.__dict__.update(__name__=name or path.rpartition(".")[2], __qualname__=path)

    _owner: "StandIns"
    _handgrad_path: str
    _first: tuple[Any, ...]

    def __getattr__(self, name: str) -> "StandIn":
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # protocols that are looked up: copy, pickle, __array__
        if name.startswith("_repr_") or name.startswith("_ipython"):
            raise AttributeError(name)  # a notebook would show it through them
        return StandIn(self._owner, f"{self._handgrad_path}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        self.__dict__[name] = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type):
            return args[0]  # as a decorator it leaves the function as it is
        return StandIn(self._owner, f"{self._handgrad_path}()", args[:1])

    def __iter__(self) -> Iterator[Any]:
        count = _unpacked_to(sys._getframe(1))
        if count is not None:  # fig, ax = plt.subplots()
            return iter([StandIn(self._owner, f"{self._handgrad_path}[{n}]") for n in range(count)])
        for value in self._first:  # for i in tqdm(range(10))
            if isinstance(value, int) and self._handgrad_path[:-2].split(".")[-1] in RANGES:
                return iter(range(value))
            if hasattr(value, "__iter__") and not isinstance(
                value, str | bytes | Mapping | StandIn
            ):
                return iter(value)
        self._owner.missed(self._handgrad_path)
        return iter(())

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return ()

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *error: object) -> None:
        """Let errors pass."""

    def __getitem__(self, key: object) -> "StandIn":
        if isinstance(key, int):
            self._owner.missed(self._handgrad_path)
            raise IndexError(f"{self._handgrad_path}: not installed")
        return StandIn(self._owner, f"{self._handgrad_path}[...]")

    def __setitem__(self, key: object, value: object) -> None:
        """Do nothing."""

    def __or__(self, other: object) -> "StandIn":
        """Return itself: `DataFrame | None` is an annotation."""
        return self

    __ror__ = __or__

    def __bool__(self) -> bool:
        self._owner.missed(self._handgrad_path)
        return False

    def __repr__(self) -> str:
        return f"<{self._handgrad_path}: not installed>"

    def __len__(self) -> int:
        """Return the length of what it passes on; list() asks for it, and catches TypeError."""
        if self._first and hasattr(self._first[0], "__len__"):
            return len(self._first[0])
        raise TypeError(self._needed())

    def _root(self) -> str:
        return self._handgrad_path.partition(".")[0].removesuffix("()")

    def _needed(self) -> str:
        path, root = self._handgrad_path, self._root()
        return f"the value of {path} is needed here, and {root} is not installed"

    def _raise(self, *args: object, **kwargs: object) -> NoReturn:
        raise ModuleNotFoundError(self._needed(), name=self._root())

    __int__ = __float__ = __index__ = __array__ = _raise
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _raise
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __pow__ = __rpow__ = _raise
    __neg__ = __lt__ = __gt__ = __le__ = __ge__ = _raise

    @classmethod
    def __torch_function__(
        cls, func: Any, types: object, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Raise: a tensor computation reads it."""
        values = [*args, *(kwargs or {}).values()]
        values += [v for value in values if isinstance(value, list | tuple) for v in value]
        next(value for value in values if isinstance(value, StandIn))._raise()


def _unpacked_to(frame: FrameType) -> int | None:
    """Return the number of names that the caller unpacks a value to, if it does."""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti:
            return instruction.arg if instruction.opname == "UNPACK_SEQUENCE" else None
    return None


class _Module(ModuleType):
    """A stand-in's module: any name can be imported from it."""

    def __init__(self, owner: "StandIns", name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that its submodules can be imported
        self._handgrad_owner = owner

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return StandIn(self._handgrad_owner, f"{self.__name__}.{name}")

    def __call__(self, *args: object) -> StandIn:
        return StandIn(self._handgrad_owner, f"{self.__name__}()")


class StandIns(MetaPathFinder, Loader):
    """Finds what no other finder does, for the user's own import statements alone.

    An import in a `try` with an `except ImportError` fails as ever: the file knows what to do then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._sources: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        self._stars: list[str] = []
        self._missed: dict[str, None] = {}
        sys.meta_path.append(self)

    def add(self, filename: str, source: str) -> None:
        """Tell that the user's code `source` is compiled under this name."""
        self._sources[filename] = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of a stand-in, if the user's file imports this module."""
        rest = name.partition(".")[2]
        above = sys.modules.get(name.rpartition(".")[0])
        if rest and not isinstance(above, _Module) and getattr(above, "__file__", None) is not None:
            return None  # a wrong name in a package that is installed
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is None or not self._stands_in(frame):
            return None
        cell = CELL_NAME.fullmatch(frame.f_code.co_filename)
        place = Place(frame.f_lineno, int(cell[1]) if cell else None)
        self._places.setdefault(name, place)
        self._places = {n: p for n, p in self._places.items() if not name.startswith(f"{n}.")}
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the stand-in."""
        return _Module(self, spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it has no code."""

    def _stands_in(self, frame: FrameType) -> bool:
        """Tell whether this is an import statement of the user's that must not fail."""
        filename = frame.f_code.co_filename
        source = self._sources.get(filename)
        if source is None and filename.startswith(self._folder) and "-packages" not in filename:
            source = Path(filename).read_text(encoding="utf-8", errors="replace")
        if source is None:
            return False
        try:
            tree = ast.parse(source)
        except SyntaxError:  # magics: without the tree only the text is known
            lines = source.split("\n")[: frame.f_lineno - 1]
            return not any(line.strip() == "try:" for line in lines[-3:])
        here = [n for n in ast.walk(tree) if getattr(n, "lineno", 0) == frame.f_lineno]
        self._stars += [
            n.module or "" for n in here if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"
        ]
        is_import = any(isinstance(n, ast.Import | ast.ImportFrom) for n in here)
        return is_import and not any(
            isinstance(node, ast.Try)
            and any(part.lineno <= frame.f_lineno <= (part.end_lineno or 0) for part in node.body)
            and any(_catches(handler) for handler in node.handlers)
            for node in ast.walk(tree)
        )

    def missed(self, path: str) -> None:
        """Note that the file used a value that a missing module would have given."""
        self._missed[path] = None

    def blamed(self, error: CellError) -> CellError:
        """Add to an error which missing module it may come from."""
        if error.error.startswith("NameError") and self._stars:
            reason = f"{listed(self._stars)}, of which the file imports *, is not installed"
        elif self._missed and NOT_INSTALLED not in error.error:
            reason = f"{listed(list(self._missed))} gave no values: the module is not installed"
        else:
            return error
        return replace(error, error=f"{error.error} ({reason})")

    def notes(self) -> list[Note]:
        """Return a note on the modules that are missing, if any are."""
        if not self._places:
            return []
        are = "is" if len(self._places) == 1 else "are"
        missed = f"{listed(list(self._missed))} gave no values."
        message = f"{listed(list(self._places))} {are} not installed; "
        message += f"the file ran without, and {missed}" if self._missed else LEFT_OUT
        return [Note(CODE, message, place=next(iter(self._places.values())))]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)}
    return bool(names & CATCHES)
