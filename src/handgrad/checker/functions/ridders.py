"""Numeric derivatives that know their error (Ridders, Advances in Engineering Software 4, 1982)."""

from collections.abc import Callable

import torch

STEPS, SHRINK = 11, 3.0
"""From h = 0.1, which is divided by SHRINK in each step."""


def derivative(at: Callable[[float], float]) -> tuple[float, float]:
    """Return the derivative of `at` at 0, and an estimate of its error (Ridders' method).

    The error includes the rounding of `at` itself, and what the smallest step says: at a kink
    larger steps may agree with each other and be wrong.
    """
    h, noise = 0.1, _noise(at)
    table = [[(at(h) - at(-h)) / (2 * h)]]
    best, error = table[0][0], float("inf")
    for n in range(1, STEPS):
        h /= SHRINK
        row = [(at(h) - at(-h)) / (2 * h)]
        factor = SHRINK**2
        for m in range(n):
            row.append(row[m] + (row[m] - table[n - 1][m]) / (factor - 1))
            factor *= SHRINK**2
            change = max(abs(row[m + 1] - row[m]), abs(row[m + 1] - table[n - 1][m]))
            change = max(change, noise / h)
            if change <= error:
                best, error = row[m + 1], change
        table.append(row)
    return best, max(error, abs(best - table[-1][0]) - 8 * noise / h)


def _noise(at: Callable[[float], float]) -> float:
    """Return the rounding of a function, from its third differences at tiny steps (Hamming)."""
    values = torch.tensor([at(k * 1e-7) for k in range(-4, 5)], dtype=torch.float64)
    third = values.diff().diff().diff()
    eps = torch.finfo(torch.float64).eps
    return max(float(third.abs().max()) / 20**0.5, eps * float(values.abs().max()))
