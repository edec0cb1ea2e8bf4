"""The device of tensors."""

from handgrad.errors import SettingsError


def require_device(device: str) -> None:
    """Raise SettingsError unless `device` is cpu, or cuda or cuda:N on this machine."""
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return
    if kind != "cuda" or (index and not index.isdecimal()):
        raise SettingsError(f"unknown device {device!r}; known: cpu, cuda, cuda:N")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise SettingsError(f"--device {device}: this machine has no CUDA device; use --device cpu")
    if int(index or 0) >= count:
        raise SettingsError(f"--device {device}: this machine has cuda:0 to cuda:{count - 1}")
