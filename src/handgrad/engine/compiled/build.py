"""The generated step, compiled and cached on disk for the next process.

The source is executed from memory. Its machine code is in the cache folder under a name that
contains the fingerprint of everything that it depends on, see machine_code.py. Files are renamed
into place when complete, so processes that start at the same time do no harm.
"""

import hashlib
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba

import handgrad.constants
import handgrad.kernels
from handgrad.data.sources import cache_folder
from handgrad.engine.compiled.machine_code import MachineCode
from handgrad.kernels.jit import VECTOR_BYTES

CompiledFunction = Callable[..., Any]
_NAME = re.compile(r"^def (\w+)", re.MULTILINE)


@cache
def build(source: str, dtype: str) -> CompiledFunction:
    """Return the last function of `source` for `dtype`; it is compiled at its first call."""
    stem = _stem(source, dtype)
    module = ModuleType(stem)
    sys.modules[stem] = module  # numba looks it up there
    exec(compile(source, f"<{stem}>", "exec"), module.__dict__)
    function: Any = getattr(module, _NAME.findall(source)[-1])
    function._cache = MachineCode(kernel_folder(), stem)  # as numba's own does it
    result: CompiledFunction = function
    return result


def machine_code(source: str, dtype: str) -> MachineCode:
    """Return what is cached of `build(source, dtype)`."""
    function: Any = build(source, dtype)
    code: MachineCode = function._cache
    return code


def is_compiled(source: str, dtype: str) -> bool:
    """Return whether machine code of `source` for this CPU is on disk and whole."""
    return MachineCode(kernel_folder(), _stem(source, dtype)).exists()


def is_kept() -> bool:
    """Return whether machine code can be cached for later processes."""
    try:
        kernel_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kernel_folder()):
            return True
    except OSError:
        return False


def kernel_folder() -> Path:
    """Return the folder of machine code, and of what was verified of it."""
    return cache_folder() / "kernels"


def _stem(source: str, dtype: str) -> str:
    """Return the beginning of the file's name; dtypes have files of their own."""
    return f"handgrad_{_NAME.findall(source)[-1]}_{dtype}_{fingerprint(source)}"


def fingerprint(source: str) -> str:
    """Return a digest of everything that the machine code depends on besides the CPU."""
    versions = f"{numba.__version__} {llvmlite.__version__} {platform.python_version()}"
    inputs = f"{versions} {VECTOR_BYTES} {_kernels()}\n{source}"
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


@cache
def _kernels() -> str:
    """Return a digest of the source of all kernels; a process reads it once."""
    files = sorted(Path(handgrad.kernels.__file__).parent.rglob("*.py"))
    files.append(Path(handgrad.constants.__file__))  # kernels are compiled with them
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
