"""Side effects of torch functions: what they write to and which random numbers they draw."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from handgrad.checker.record.trace import tensors_in

FROM_LISTS = {torch.tensor, torch.as_tensor, torch.asarray}
RANDOM = ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "dropout1d",
          "dropout2d", "dropout3d")  # fmt: skip
_LOOKED_AT = ("shape", "dtype", "device", "ndim", "requires_grad", "is_leaf", "grad_fn", "layout")
PEEKS = {getattr(Tensor, name).__get__ for name in _LOOKED_AT} | {
    Tensor.size, Tensor.dim, Tensor.numel, Tensor.nelement, Tensor.__len__, Tensor.item,
    Tensor.tolist, Tensor.__repr__, Tensor.__format__, Tensor.__float__, Tensor.__bool__,
    Tensor.__int__, Tensor.__index__, Tensor.stride, Tensor.is_contiguous, Tensor.retain_grad,
    Tensor.is_floating_point, Tensor.data_ptr, Tensor.numpy, Tensor.__array__,
    Tensor.register_hook, Tensor.register_post_accumulate_grad_hook,
}  # fmt: skip
"""Functions that return no tensor and write to none."""
ENDS = {
    Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__float__, Tensor.data_ptr,
}  # fmt: skip
"""Those by which the numbers of a tensor go where no operation can be seen."""
HOOKS = {
    Tensor.register_hook, Tensor.register_post_accumulate_grad_hook,
}  # fmt: skip
"""Functions that pass gradients to a function of the file."""
OWN_GRAD = getattr(Tensor, "grad").__get__  # noqa: B009 - typed as a tensor, is a descriptor
SET_DATA = getattr(Tensor, "data").__set__  # noqa: B009 - typed as a tensor, is a descriptor
"""`w.data = value`: the tensor gets the memory of another one."""
_RUNNING = ("batch_norm", "instance_norm")
"""Functions that update running statistics, although their names do not show it."""


def version_of(value: Tensor) -> int:
    """Return the counter that every in-place write raises; tensors that share memory share it."""
    return -1 if value.is_inference() else value._version


def rng_state(device: torch.device) -> Tensor:
    """Return the state of the random number generator that functions on `device` use."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_rng_state(device: torch.device, state: Tensor) -> None:
    """Set the state of the random number generator that functions on `device` use."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def targets_of(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the tensors that a function is about to write to, by torch's naming conventions."""
    is_in_place = name.endswith("_") and not name.endswith("__")
    is_augmented = name.startswith("__i") and name.endswith("__")
    if is_in_place or is_augmented or name == "__setitem__":
        return list(tensors_in(args[:1]))
    if name == "__set__" or name in _RUNNING or kwargs.get("inplace"):
        return list(tensors_in(args))
    return list(tensors_in(kwargs.get("out", ())))
