"""Checkpoints: parameters, state and the optimizer's tensors of one step, complete or absent.

A checkpoint is two files. optimizer-<step>.safetensors is written first; model.safetensors, renamed
into place, is the commit; only then are the optimizer's older files deleted. Whenever the process
is killed, the folder therefore holds a model and the optimizer's file of the same step.

Each file's metadata is one key, "handgrad", holding JSON: several keys would be written in an order
that differs from process to process, and a resumed run could not be compared byte for byte. It has
a checksum for each tensor and one for itself, which are checked when the file is read; files of
earlier versions have none. model.safetensors holds nothing that depends on how often a run was
interrupted, such as seconds.
"""

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import RunError, SettingsError
from handgrad.files import notice, replacing
from handgrad.optim import OPTIMIZERS
from handgrad.training.backends import backend_of
from handgrad.training.described import DIGEST, FORMAT, check_types, digest_of, newer
from handgrad.training.metrics import FILE as METRICS_FILE
from handgrad.training.metrics import digest_of_rows
from handgrad.training.state import Checkpoint, Numbers, RunningTotals, Weights, is_array

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from handgrad.models import Model

MODEL_FILE = "model.safetensors"
METRICS = "metrics"
"""Key of the digest of metrics.csv, in the optimizer's file: it contains seconds too."""
CHECKSUMS = "checksums"
"""Key of the tensors' checksums in the metadata."""
STATE_PREFIX = "state."
"""Prefix of the names of state; parameters are saved under their own names."""
BEST_PREFIX = "best."
"""Prefix of the best weights so far, in the optimizer's file: they are of the same checkpoint."""
_TEMPORARY = re.compile(r"\.[\w-]+\.(safetensors|json|csv|png)\.\w{8}|\.tmp\w{6}")
"""Names of files that handgrad and safetensors have not finished writing."""


def optimizer_file(step: int) -> str:
    """Return the name of the optimizer's file at `step`."""
    return f"optimizer-{step}.safetensors"


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write both files and delete those that they replace. Raises RunError if that fails."""
    head = {"format": FORMAT, "step": checkpoint.step}
    rows = digest_of_rows(folder, checkpoint.step)
    with_totals = {**head, "carried": asdict(checkpoint.totals), METRICS: rows}
    optimizer = dict(checkpoint.optimizer)
    if checkpoint.best is not None:
        best = _joined(*checkpoint.best)
        optimizer.update({BEST_PREFIX + name: value for name, value in best.items()})
    _write(folder / optimizer_file(checkpoint.step), optimizer, with_totals)

    head["finished"] = checkpoint.finished
    if checkpoint.weights_of is not None:
        head["weights_of"] = checkpoint.weights_of
    _write(folder / MODEL_FILE, _joined(checkpoint.params, checkpoint.state), head)
    _tidy(folder, checkpoint.step)


def _joined(params: Numbers, state: Numbers) -> Numbers:
    return {**params, **{STATE_PREFIX + name: value for name, value in state.items()}}


def _separated(path: Path, tensors: Numbers, model: "Model") -> Weights:
    """Return parameters and state, the inverse of `_joined`. Raises RunError for other shapes."""
    params: Numbers = {}
    state: Numbers = {}
    for name, tensor in tensors.items():
        kind = state if name.startswith(STATE_PREFIX) else params
        kind[name.removeprefix(STATE_PREFIX)] = tensor
    _same_shapes(path, params, model.shapes(), exactly=True)
    _same_shapes(path, state, model.state_shapes(), exactly=False)
    # in the model's order: the order of updates and sums must not depend on a file
    return Weights({name: params[name] for name in model.shapes()}, state)


def _tidy(folder: Path, step: int) -> None:
    """Delete optimizer files of other steps, and temporary files of a killed run."""
    for path in folder.glob("optimizer-*.safetensors"):
        if path.name != optimizer_file(step):
            path.unlink(missing_ok=True)
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def load(folder: Path, model: "Model", device: str = "cpu", engine: str = "fused") -> Checkpoint:
    """Return the checkpoint in `folder` without the optimizer's tensors, to evaluate and sample.

    Its numbers are of the kind that `engine` works on. Raises RunError if model.safetensors is
    missing, damaged, from another program, from a newer handgrad, or of another model.
    """
    path = folder / MODEL_FILE
    tensors, head = _read(path, device, engine)
    finished, weights_of = bool(head.get("finished")), head.get("weights_of")
    loaded = _separated(path, tensors, model)
    return Checkpoint(head["step"], *loaded, {}, finished=finished, weights_of=weights_of)


def load_to_resume(
    folder: Path, model: "Model", device: str, optimizer: str, engine: str = "fused"
) -> Checkpoint:
    """Return the whole checkpoint in `folder`. Raises RunError as `load` does, for either file."""
    loaded = load(folder, model, device, engine)
    path = folder / optimizer_file(loaded.step)
    tensors, head = _read(path, device, engine)
    if head["step"] != loaded.step:
        raise RunError(f"{path} belongs to step {head['step']}: restore the file, or train again")
    named = [name for name in tensors if name.startswith(BEST_PREFIX)]
    kept = {name.removeprefix(BEST_PREFIX): tensors.pop(name) for name in named}
    best = _separated(path, kept, model) if kept else None
    expected = OPTIMIZERS[optimizer].tensors(loaded.params)
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    _same_shapes(path, tensors, shapes, exactly=True)
    if METRICS in head and head[METRICS] != digest_of_rows(folder, loaded.step):
        notice(
            f"{folder / METRICS_FILE} is not as it was written: its losses up to step "
            f"{loaded.step} may be wrong or missing; training is not affected"
        )
    return replace(loaded, optimizer=tensors, totals=_totals(path, head), best=best)


def _totals(path: Path, head: dict[str, Any]) -> RunningTotals:
    try:
        check_types(RunningTotals, head["carried"])
        return RunningTotals(**head["carried"])
    except (KeyError, TypeError, AttributeError, SettingsError) as error:
        raise RunError(f"{path} was not written by handgrad: name another folder") from error


def _write(path: Path, tensors: Numbers, head: dict[str, Any]) -> None:
    """Write tensors or arrays, the same bytes for both, without a copy."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: _array(numbers) for name, numbers in tensors.items()}
    head = {**head, CHECKSUMS: {name: _checksum(array) for name, array in sorted(arrays.items())}}
    head[DIGEST] = digest_of(head)
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, metadata={"handgrad": json.dumps(head)})
        except SafetensorError as error:
            raise RunError(f"cannot write {path}: {error}") from error


def _array(numbers: Any) -> "npt.NDArray[np.floating[Any]]":
    import numpy as np

    # safetensors accepts neither views nor shared memory
    array = numbers if is_array(numbers) else numbers.detach().cpu().numpy()
    return np.ascontiguousarray(array)


def _checksum(array: "npt.NDArray[Any]") -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes, without copying them."""
    import numpy as np

    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _read(path: Path, device: str, engine: str) -> "tuple[Numbers, dict[str, Any]]":
    from safetensors import SafetensorError, safe_open

    if path.exists() and not path.is_file():  # a pipe would block
        raise RunError(f"cannot read {path}: it is not a regular file")
    try:
        with safe_open(path, framework=backend_of(engine).FRAMEWORK, device=device) as file:
            head = _head(path, file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent} holds no checkpoint ({path.name} is missing): "
            "delete the folder and train again"
        ) from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        # the others are raised for dtypes that the framework does not have
        raise RunError(
            f"{path} is truncated or not a safetensors file: restore it, or train again"
        ) from error
    _check_sums(path, tensors, head)
    return tensors, head


def _check_sums(path: Path, tensors: Numbers, head: dict[str, Any]) -> None:
    """Raise RunError unless everything is as it was written."""
    if CHECKSUMS not in head and DIGEST not in head:
        return  # an earlier version's
    if head.get(DIGEST) != digest_of(head):
        damaged: str | None = "its metadata"
    else:
        sums = head[CHECKSUMS]
        names = sorted(sums.keys() | tensors.keys())
        damaged = next(
            (n for n in names if n not in tensors or sums.get(n) != _checksum(_array(tensors[n]))),
            None,
        )
    if damaged is not None:
        raise RunError(
            f"{path} is damaged (the checksum of {damaged} does not match): "
            "restore it, or train again"
        )


def _head(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    try:
        head = json.loads((metadata or {})["handgrad"])
        version = head["format"]
        if not isinstance(head["step"], int) or head["step"] < 0:
            raise ValueError("no step")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{path} was not written by handgrad: name another folder") from error
    if not isinstance(version, int) or version > FORMAT:
        raise RunError(newer(path, version))
    assert isinstance(head, dict)
    return head


def _same_shapes(
    path: Path,
    tensors: Numbers,
    shapes: dict[str, tuple[int, ...]],
    *,
    exactly: bool,
) -> None:
    """Raise RunError unless `tensors` have these shapes; `exactly` allows no other tensor."""
    for name, shape in shapes.items():
        actual = tuple(tensors[name].shape) if name in tensors else None
        if actual != tuple(shape):
            got = "no such tensor" if actual is None else f"shape {list(actual)}"
            raise RunError(
                f"{path}: {name} should have shape {list(shape)}, got {got}: "
                "the file does not match config.json; restore it, or train again"
            )
    extra = sorted(tensors.keys() - shapes.keys())
    if exactly and extra:
        raise RunError(
            f"{path}: unexpected tensor {extra[0]}: "
            "the file does not match config.json; restore it, or train again"
        )
