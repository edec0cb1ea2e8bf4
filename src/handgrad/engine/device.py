"""Where tensors live."""

from handgrad.errors import SettingsError


def require_device(device: str) -> None:
    """Raise SettingsError unless tensors can live on `device`: cpu, cuda or cuda:N."""
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return
    if kind != "cuda" or (index and not index.isdecimal()):
        raise SettingsError(f"no device {device!r}; there are cpu, cuda and cuda:N")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise SettingsError(f"--device {device}: no CUDA device is here; use --device cpu")
    if int(index or 0) >= count:
        raise SettingsError(f"--device {device}: there are {count}, cuda:0 to cuda:{count - 1}")
