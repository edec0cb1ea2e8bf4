"""Remember beside the kernels what was verified: verifying needs torch, training does not."""

import hashlib
import platform
from contextlib import suppress
from pathlib import Path

import llvmlite.binding as llvm

from handgrad.data.sources import cache_folder
from handgrad.engine.compiled.build import fingerprint
from handgrad.engine.compiled.source import step_source
from handgrad.engine.compiled.treatment import UNTREATED
from handgrad.files import write_atomic
from handgrad.models import Model
from handgrad.optim import Treatment
from handgrad.version import __version__


def is_verified(
    model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment = UNTREATED
) -> bool:
    """Return whether such a step was verified by this version on this CPU."""
    return _mark(model, optimizer, batch_size, dtype, treatment).exists()


def remember(
    model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment = UNTREATED
) -> None:
    """Make `is_verified` return True from now on, unless the cache folder is read-only."""
    with suppress(OSError):
        path = _mark(model, optimizer, batch_size, dtype, treatment)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, b"")


def _mark(model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment) -> Path:
    parts = (
        fingerprint(step_source(model, optimizer, treatment)),
        repr(model),
        f"{batch_size} {dtype} {__version__} {platform.platform()}",
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return cache_folder() / "kernels" / f"verified_{digest[:16]}"
