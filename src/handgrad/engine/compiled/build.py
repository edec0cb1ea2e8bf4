"""The generated step compiled, and kept on disk for the next process.

The text is written into the cache folder under a name that says what it was made from; numba keeps
the machine code beside it and knows for which processor it is. Files are renamed into place whole,
so that processes that start together do no harm but compile twice.
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

Compiled = Callable[..., Any]
_NAME = re.compile(r"^def (\w+)", re.MULTILINE)


@cache
def build(source: str, dtype: str) -> Compiled:
    """The last function of `source` for `dtype`: compiled when it is first called, or before."""
    path = _place(source, dtype)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # numba finds there what it has kept
    spec.loader.exec_module(module)
    function: Compiled = getattr(module, _NAME.findall(source)[-1])
    return function


def is_compiled(source: str, dtype: str) -> bool:
    """Whether machine code of `source` is on the disk, for some processor."""
    path = _place(source, dtype)
    return any((path.parent / "__pycache__").glob(f"{path.stem}.*.nbc"))


def is_kept(source: str, dtype: str) -> bool:
    """Whether what is compiled of `source` stays on the disk for later processes."""
    return _place(source, dtype).parent == _folder()


def _folder() -> Path:
    return cache_folder() / "kernels"


def _place(source: str, dtype: str) -> Path:
    """The file that holds `source`: in the cache folder, or for this process where that is
    read-only. One for each dtype, so that it is seen which are compiled."""
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
    """Of all that the machine code depends on and numba does not look at: kernels are other files
    than the one that it keeps beside."""
    made_of = f"{numba.__version__} {VECTOR_BYTES} {_kernels()}\n{source}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


@cache
def _kernels() -> str:
    """A digest of all kernels' text, which one process reads once."""
    files = sorted(Path(handgrad.kernels.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
