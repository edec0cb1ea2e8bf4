"""Checkpoints: parameters, state and the optimizer's tensors of one step, whole or not there.

A checkpoint is two files. optimizer-<step>.safetensors is written first; model.safetensors, renamed
into place, is the commit; only then are the optimizer's older files deleted. Killed anywhere, a
folder therefore holds a model and the optimizer's file of the same step.

Each file's metadata is one key, "handgrad", holding JSON: several keys would be written in an order
that differs from process to process, and a resumed run could not be compared byte for byte.
model.safetensors holds nothing that depends on how often a run was interrupted, such as seconds.
"""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.errors import RunError
from handgrad.files import replacing
from handgrad.train.folder import FORMAT, newer
from handgrad.train.optimizer import OPTIMIZERS
from handgrad.train.runtime import Numbers, runtime_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from handgrad.models import Model

MODEL_FILE = "model.safetensors"
STATE_PREFIX = "state."
"""Parameters are saved under their own names, state under this prefix."""
_TEMPORARY = re.compile(r"\.[\w-]+\.(safetensors|json|csv|png)\.\w{8}|\.tmp\w{6}")
"""What files are called until they are whole, by handgrad and by safetensors."""


@dataclass(frozen=True)
class Carried:
    """What a run carries from one part to the next beside tensors."""

    seconds: float = 0.0
    """Time spent training, over all parts of the run."""
    loss_sum: float = 0.0
    """Sum of the batch losses since the last row of metrics.csv, and ..."""
    loss_count: int = 0
    """... how many they are."""


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of step `step` (the number of updates made)."""

    step: int
    params: Numbers
    state: Numbers
    optimizer: Numbers
    finished: bool = False
    carried: Carried = field(default_factory=Carried)


def optimizer_file(step: int) -> str:
    return f"optimizer-{step}.safetensors"


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write both files and delete what they replace. Raises RunError where that cannot be done."""
    head = {"format": FORMAT, "step": checkpoint.step}
    carried = {**head, "carried": asdict(checkpoint.carried)}
    _write(folder / optimizer_file(checkpoint.step), checkpoint.optimizer, carried)

    tensors = dict(checkpoint.params)
    tensors.update({STATE_PREFIX + name: value for name, value in checkpoint.state.items()})
    _write(folder / MODEL_FILE, tensors, {**head, "finished": checkpoint.finished})
    _tidy(folder, checkpoint.step)


def _tidy(folder: Path, step: int) -> None:
    """Delete optimizer files of other steps and temporary files that a killed run left behind."""
    for path in folder.glob("optimizer-*.safetensors"):
        if path.name != optimizer_file(step):
            path.unlink(missing_ok=True)
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def load(folder: Path, model: "Model", device: str = "cpu", engine: str = "fused") -> Checkpoint:
    """The checkpoint in `folder`, without the optimizer's part: enough to evaluate and sample.

    In what `engine` works on. Raises RunError where model.safetensors is missing, truncated,
    foreign, newer, or not `model`'s.
    """
    path = folder / MODEL_FILE
    tensors, head = _read(path, device, engine)
    params: Numbers = {}
    state: Numbers = {}
    for name, tensor in tensors.items():
        kind = state if name.startswith(STATE_PREFIX) else params
        kind[name.removeprefix(STATE_PREFIX)] = tensor
    _same_shapes(path, params, model.shapes(), exactly=True)
    _same_shapes(path, state, model.state_shapes(), exactly=False)
    # in the model's own order: updates and sums run over it, and must not depend on a file's order
    params = {name: params[name] for name in model.shapes()}
    return Checkpoint(head["step"], params, state, {}, finished=bool(head.get("finished")))


def load_to_resume(
    folder: Path, model: "Model", device: str, optimizer: str, engine: str = "fused"
) -> Checkpoint:
    """The whole checkpoint in `folder`. Raises RunError as `load` does, for either file."""
    loaded = load(folder, model, device, engine)
    path = folder / optimizer_file(loaded.step)
    tensors, head = _read(path, device, engine)
    if head["step"] != loaded.step:
        raise RunError(f"{path} belongs to step {head['step']}: restore the file, or train anew")
    expected = OPTIMIZERS[optimizer].tensors(loaded.params)
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    _same_shapes(path, tensors, shapes, exactly=True)
    return replace(loaded, optimizer=tensors, carried=Carried(**head["carried"]))


def all_finite(numbers: Any) -> bool:
    """Whether no NaN and no infinity is in a tensor or an array."""
    import numpy as np

    return bool(np.isfinite(numbers).all() if _is_array(numbers) else numbers.isfinite().all())


def _is_array(numbers: Any) -> bool:
    import numpy as np

    return isinstance(numbers, np.ndarray)


def _write(path: Path, tensors: Numbers, head: dict[str, Any]) -> None:
    """The same bytes for tensors and for arrays, written from where they lie."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: _array(numbers) for name, numbers in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, metadata={"handgrad": json.dumps(head)})
        except SafetensorError as error:
            raise RunError(f"cannot write {path}: {error}") from error


def _array(numbers: Any) -> "npt.NDArray[np.floating[Any]]":
    import numpy as np

    # safetensors takes no views and nothing that shares memory
    array = numbers if _is_array(numbers) else numbers.detach().cpu().numpy()
    return np.ascontiguousarray(array)


def _read(path: Path, device: str, engine: str) -> "tuple[Numbers, dict[str, Any]]":
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=runtime_of(engine).FRAMEWORK, device=device) as file:
            head = _head(path, file.metadata())
            return {name: file.get_tensor(name) for name in file.keys()}, head  # noqa: SIM118
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent} holds no checkpoint ({path.name} is missing): "
            "delete the folder and train again"
        ) from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise RunError(
            f"{path} is truncated or no safetensors file: restore it, or train anew"
        ) from error


def _head(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    try:
        head = json.loads((metadata or {})["handgrad"])
        found = head["format"]
        if not isinstance(head["step"], int):
            raise ValueError("no step")
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} was not written by handgrad: name another folder") from error
    if not isinstance(found, int) or found > FORMAT:
        raise RunError(newer(path, found))
    assert isinstance(head, dict)
    return head


def _same_shapes(
    path: Path,
    tensors: Numbers,
    shapes: dict[str, tuple[int, ...]],
    *,
    exactly: bool,
) -> None:
    """Raise RunError unless `tensors` are those of `shapes`, or more where not `exactly`."""
    for name, shape in shapes.items():
        got = tuple(tensors[name].shape) if name in tensors else None
        if got != tuple(shape):
            found = "no such tensor" if got is None else f"shape {list(got)}"
            raise RunError(
                f"{path}: {name} should have shape {list(shape)}, found {found}: "
                "the file is not the one that config.json describes; restore it, or train anew"
            )
    extra = sorted(tensors.keys() - shapes.keys())
    if exactly and extra:
        raise RunError(
            f"{path}: unexpected tensor {extra[0]}: "
            "the file is not the one that config.json describes; restore it, or train anew"
        )
