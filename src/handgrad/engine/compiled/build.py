"""The generated step, compiled and cached on disk for the next process.

The source is written to the cache folder under a name that contains its fingerprint; numba stores
the machine code beside it, with the CPU that it is for. Files are renamed into place when complete,
so processes that start at the same time do no harm: each compiles for itself.
"""

import hashlib
import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

import handgrad.kernels
from handgrad.data.sources import cache_folder
from handgrad.files import write_atomic
from handgrad.kernels.jit import VECTOR_BYTES

CompiledFunction = Callable[..., Any]
_NAME = re.compile(r"^def (\w+)", re.MULTILINE)


@cache
def build(source: str, dtype: str) -> CompiledFunction:
    """Return the last function of `source` for `dtype`; it is compiled at its first call."""
    path = _place(source, dtype)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # numba looks it up there
    spec.loader.exec_module(module)
    function: CompiledFunction = getattr(module, _NAME.findall(source)[-1])
    return function


def is_compiled(source: str, dtype: str) -> bool:
    """Return whether machine code of `source` is on disk, for any CPU."""
    path = _place(source, dtype)
    return any((path.parent / "__pycache__").glob(f"{path.stem}.*.nbc"))


def is_kept(source: str, dtype: str) -> bool:
    """Return whether the machine code of `source` is cached for later processes."""
    return _place(source, dtype).parent == _folder()


def _folder() -> Path:
    return cache_folder() / "kernels"


def _place(source: str, dtype: str) -> Path:
    """Return the file of `source`: in the cache folder, or temporary if that is read-only.

    There is one file for each dtype, so that `is_compiled` can tell them apart.
    """
    name = f"handgrad_{_NAME.findall(source)[-1]}_{dtype}_{fingerprint(source)}.py"
    path = _folder() / name
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, source.encode())
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError:
        path = Path(_temporary_folder().name) / name
        path.write_text(source)
        return path


@cache
def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="handgrad-")


def fingerprint(source: str) -> str:
    """Return a digest of what the machine code depends on and numba does not track.

    numba tracks the generated file alone, not the files of the kernels.
    """
    inputs = f"{numba.__version__} {VECTOR_BYTES} {_kernels()}\n{source}"
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


@cache
def _kernels() -> str:
    """Return a digest of the source of all kernels; a process reads it once."""
    files = sorted(Path(handgrad.kernels.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
