"""Remember beside the kernels what was verified: verifying needs torch, training does not.

A mark names the machine code that was verified, by its digest: other machine code is verified
again, whatever the reason why it is there.
"""

import hashlib
import json
import platform
from contextlib import suppress
from pathlib import Path

import llvmlite.binding as llvm

from handgrad.engine.compiled.build import fingerprint, kernel_folder, machine_code
from handgrad.engine.compiled.machine_code import read_sealed
from handgrad.engine.compiled.source import step_source
from handgrad.engine.compiled.treatment import UNTREATED
from handgrad.errors import RunError
from handgrad.files import sealed, write_atomic
from handgrad.models import Model
from handgrad.optim import Treatment
from handgrad.version import __version__


def is_verified(
    model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment = UNTREATED
) -> bool:
    """Return whether the machine code of such a step was verified by this version on this CPU.

    The machine code is loaded: this process runs what its mark is about.
    """
    mark = read_sealed(
        _mark(model, optimizer, batch_size, dtype, treatment), "the gradients verified again"
    )
    if mark is None:
        return False
    code = machine_code(step_source(model, optimizer, treatment), dtype)
    verified: dict[str, str] = json.loads(mark)
    for key in verified:
        code.load(key)
    return bool(verified) and verified.items() <= code.digests.items()


def remember(
    model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment = UNTREATED
) -> None:
    """Make `is_verified` return True from now on, unless the cache cannot be written."""
    digests = machine_code(step_source(model, optimizer, treatment), dtype).digests
    if not digests:  # it could not be saved
        return
    path = _mark(model, optimizer, batch_size, dtype, treatment)
    with suppress(OSError, RunError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, sealed(path.name, json.dumps(digests).encode()))


def _mark(model: Model, optimizer: str, batch_size: int, dtype: str, treatment: Treatment) -> Path:
    parts = (
        fingerprint(step_source(model, optimizer, treatment)),
        repr(model),
        f"{batch_size} {dtype} {__version__} {platform.platform()}",
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return kernel_folder() / f"verified_{digest[:16]}"
