"""`module:name` and `path/file.py:name`: the object that they stand for."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

EXPECTED = "write MODULE:NAME, such as kernels:RMSNorm.apply, or FILE.py:NAME"


class NotFound(Exception):
    """There is no such module, or no such name in it. The message is one line."""


def split(text: str) -> tuple[str, str]:
    """Return module and name. Raises NotFound if `text` has another form."""
    module, colon, name = text.rpartition(":")
    if not colon or not module or not name:
        raise NotFound(f"{text}: {EXPECTED}")
    return module, name


def file_of(text: str, path: list[str]) -> Path | None:
    """Return the file of the module in `module:name`, without importing it; None if built in.

    Raises NotFound if there is none. `path` are the folders to search before sys.path.
    """
    module, _ = split(text)
    if module.endswith(".py"):
        if not Path(module).is_file():
            raise NotFound(f"{text}: there is no file {module}")
        return Path(module).resolve()
    top, *rest = module.split(".")
    for folder in [*path, *sys.path]:
        base = Path(folder or ".").joinpath(top, *rest)
        for found in (base.with_suffix(".py"), base / "__init__.py"):
            if found.is_file():
                return found.resolve()
    try:
        there = top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        there = False
    if not there:
        raise NotFound(f"{text}: there is no module {module}")
    return None


def resolved(text: str, init: Sequence[Any] | None = None) -> Any:
    """Import the module, and return the object; of an nn.Module's class, an instance.

    It is made from `init`, or else from what the module's own `get_init_inputs` returns.

    Raises NotFound if the module has no such name, and whatever the module itself raises.
    """
    module, name = split(text)
    if module.endswith(".py"):
        loaded = _from_file(Path(module).resolve())
    else:
        loaded = importlib.import_module(module)
    found: Any = loaded
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotFound(f"{text}: {module} has no {name}") from None
    if isinstance(found, type) and issubclass(found, nn.Module):
        return found(*(init_of(loaded) if init is None else init))
    return found


def init_of(module: Any) -> list[Any]:
    """Return what a module says that its class is made from, as KernelBench's problems do."""
    make = getattr(module, "get_init_inputs", None)
    return list(make()) if callable(make) else []


def _from_file(path: Path) -> Any:
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(loaded)
    return loaded
