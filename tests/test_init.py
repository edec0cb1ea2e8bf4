"""The public names, and what importing them costs."""

import subprocess
import sys

import pytest

import handgrad

HEAVY = ("torch", "numpy", "matplotlib", "IPython", "pooch", "safetensors")


@pytest.mark.parametrize("name", handgrad.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(handgrad, name) is not None
    assert name in dir(handgrad)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = handgrad.chekc
    assert str(caught.value) == "module 'handgrad' has no attribute 'chekc'"


@pytest.mark.parametrize("command", ["import handgrad", "import handgrad.cli"])
def test_importing_loads_nothing_heavy(command: str) -> None:
    code = f"import sys; {command}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
