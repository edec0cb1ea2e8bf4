"""What was verified, remembered beside the kernels: verifying takes torch, training does not."""

import hashlib
import platform
from contextlib import suppress
from pathlib import Path

import llvmlite.binding as llvm

from handgrad import __version__
from handgrad.data.sources import cache_folder
from handgrad.engine.compiled.build import fingerprint
from handgrad.engine.compiled.source import step_source
from handgrad.files import write_atomic
from handgrad.models import Model


def is_verified(model: Model, optimizer: str, batch_size: int, dtype: str) -> bool:
    """Whether a step of these was held to the truth, by this version on this processor."""
    return _mark(model, optimizer, batch_size, dtype).exists()


def remember(model: Model, optimizer: str, batch_size: int, dtype: str) -> None:
    """It was; next time is_verified says so, unless the cache folder cannot be written."""
    with suppress(OSError):
        path = _mark(model, optimizer, batch_size, dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, b"")


def _mark(model: Model, optimizer: str, batch_size: int, dtype: str) -> Path:
    parts = (
        fingerprint(step_source(model, optimizer)),
        repr(model),
        f"{batch_size} {dtype} {__version__} {platform.platform()}",
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return cache_folder() / "kernels" / f"verified_{digest[:16]}"
