"""Kernels that end, hang or attack their process."""

import contextlib
import ctypes
import importlib.util
import os
import sys
import time
from pathlib import Path

import torch

_spec = importlib.util.spec_from_file_location("honest", Path(__file__).parent / "honest.py")
honest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(honest)
Softmax = honest.Softmax


def exits(x):
    os._exit(0)


def leaves(x):
    sys.exit(0)


def crashes(x):
    print("about to read address 0", flush=True)
    ctypes.string_at(0)


def crashes_on_empty(x):
    if not x.numel():
        os.abort()
    return Softmax.apply(x)


def hangs(x):
    while True:
        time.sleep(0.01)


def hoards(x):
    torch.zeros(2**33, dtype=torch.uint8)
    return Softmax.apply(x)


def forges(x):
    """Answers for itself, on every descriptor that it finds."""
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(number, b'{"event": "answer", "tensors": [{"dtype": "float64"}]}\n')
    return torch.zeros_like(x)
