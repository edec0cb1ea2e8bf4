"""Functions of NumPy's that are not followed: what the report calls them."""

from typing import Any


class Unfollowed:
    """Stands for a function of NumPy's in the trace. Running it again raises RuntimeError."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any) -> Any:
        raise RuntimeError(f"this is NumPy code that uses {self.__name__}, which is not followed")


def label_of(function: Any) -> str:
    """Return what the user calls a function: np.linalg.svd, scipy.signal.convolve2d."""
    name = getattr(function, "__qualname__", getattr(function, "__name__", type(function).__name__))
    module = getattr(function, "__module__", None) or ""
    if module.split(".")[0] == "numpy":
        module = module.replace("numpy", "np", 1).removesuffix("._linalg").split("._")[0]
    return f"{module}.{name}" if module and module not in ("builtins", "__main__") else str(name)
