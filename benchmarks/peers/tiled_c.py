"""The step in hand-written C, compiled for this CPU on demand."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.work import LR, Absent, Arrays, Peer, Work, suffixes

SOURCE = Path(__file__).parent / "step.c"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC", "-std=gnu11")
FLOATS = ctypes.POINTER(ctypes.c_float)


def tiled(work: Work, steps: int) -> Peer:
    """A peer for this cell. Raises Absent without a C compiler."""
    library = _compile(work)
    model = work.model
    held = _padded(work.params | work.state, library.row_length)
    pointers = _parameters(model.n_layer)()
    pointers.C = _pointer(held["C"])
    for layer in range(1, model.n_layer + 2):
        pointers.W[layer - 1] = _pointer(held[f"W{layer}"])
        pointers.b[layer - 1] = _pointer(held[f"b{layer}"])
    for i, suffix in enumerate(suffixes(model)):
        pointers.gain[i] = _pointer(held[f"bngain{suffix}"])
        pointers.bias[i] = _pointer(held[f"bnbias{suffix}"])
        pointers.mean[i] = _pointer(held[f"bnmean_running{suffix}"])
        pointers.var[i] = _pointer(held[f"bnvar_running{suffix}"])
    arrays = [np.ascontiguousarray(a) for a in (work.inputs, work.targets, work.rows)]
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    sizes = {name: array.shape for name, array in (work.params | work.state).items()}

    def run(first: int) -> float:
        assert arrays  # kept alive by this function, because C holds pointers into them
        assert held
        numbers = (first, steps, len(work.rows), LR, model.momentum)
        return float(library.run(ctypes.byref(pointers), *addresses, *numbers))

    def values() -> Arrays:
        return {name: _cut(held[name], shape) for name, shape in sizes.items()}

    return Peer(run, values)


def _compile(work: Work) -> ctypes.CDLL:
    """Build the step for the cell's sizes and load it; the file is gone once it is loaded."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Absent("no C compiler: install one, or name it in CC")
    model = work.model
    macros = {
        "BATCH": work.cell.batch_size,
        "BLOCK": model.block_size,
        "EMBED": model.n_embd,
        "HIDDEN": model.n_hidden,
        "LAYERS": model.n_layer,
        "VOCAB": model.vocab_size,
    }
    defined = [f"-D{name}={value}" for name, value in macros.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.so"
        command = [compiler, *FLAGS, *defined, str(SOURCE), "-lm", "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Absent(f"{compiler} failed: {done.stderr.strip().splitlines()[0]}")
        library = ctypes.CDLL(str(path))
    library.run.restype = ctypes.c_float
    library.run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_long] * 3 + [ctypes.c_float] * 2
    return library


def _parameters(layers: int) -> type[ctypes.Structure]:
    """Return the struct `parameters` of step.c for that many hidden layers."""
    fields: Sequence[tuple[str, type]] = [
        ("C", FLOATS),
        ("W", FLOATS * (layers + 1)),
        ("b", FLOATS * (layers + 1)),
        *((name, FLOATS * layers) for name in ("gain", "bias", "mean", "var")),
    ]
    return type("Parameters", (ctypes.Structure,), {"_fields_": fields})


def _padded(arrays: Arrays, row_length: Callable[[int], int]) -> Arrays:
    """Return copies, padded with zeros to the axes of step.c (except for C)."""
    return {
        name: array.copy()
        if name == "C"
        else np.pad(
            array, [(0, row_length(n) - n if n > 1 or array.ndim == 1 else 0) for n in array.shape]
        )
        for name, array in arrays.items()
    }


def _pointer(array: np.ndarray) -> "ctypes._Pointer[ctypes.c_float]":
    return array.ctypes.data_as(FLOATS)


def _cut(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values without the padding."""
    return array[tuple(slice(n) for n in shape)].copy()
