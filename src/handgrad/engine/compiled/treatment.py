"""What the generated step does between gradients and updates, as source, and the memory for it.

Kernels: kernels/gradients.py.
"""

from collections.abc import Iterator

from handgrad.kernels.gradients import BLOCK
from handgrad.optim import Treatment

UNTREATED = Treatment()
NUMBERS = """ `numbers` goes on with the maximum norm of
    all gradients and the number of batches of an update, for which `schedule` has one row."""
"""What the docstring of the source adds for a treatment."""


def treatment_shapes(treatment: Treatment, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the memory that a treatment of `size` gradients needs, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    if not is_untreated(treatment):
        shapes["gradients"] = (size,)
    if treatment.accumulate > 1:
        shapes["gradient_sums"] = (size,)
    if treatment.clip is not None:
        shapes["gradient_squares"] = (-(-size // BLOCK),)
    return shapes


def is_untreated(treatment: Treatment) -> bool:
    """Return whether gradients go to the optimizer as they are."""
    return treatment.accumulate == 1 and treatment.clip is None


def described(treatment: Treatment) -> str:
    """Return what the first line of the source says about the treatment."""
    accumulated = ", accumulated" if treatment.accumulate > 1 else ""
    return accumulated + (", clipped" if treatment.clip is not None else "")


def imported(treatment: Treatment) -> str:
    """Return the line that imports the kernels, or nothing."""
    names = ["accumulate"] if treatment.accumulate > 1 else []
    names += ["add_squares", "clip"] if treatment.clip is not None else []
    return f"from handgrad.kernels.gradients import {', '.join(names)}\n" if names else ""


def treatment_lines(treatment: Treatment) -> Iterator[str]:
    """Yield the lines between the gradients and the updates."""
    if treatment.accumulate > 1:
        yield "        batches = int(numbers[5])"
        arguments = "gradients, gradient_sums, step % batches, numbers, thread, team"
        yield f"        accumulate({arguments})"
        yield "        if (step + 1) % batches:"
        yield "            continue"
        yield "        wait(thread, team)"
    if treatment.clip is not None:
        yield "        add_squares(gradients, gradient_squares, thread, team)"
        yield "        wait(thread, team)"
        yield "        clip(gradients, gradient_squares, numbers, thread, team)"
        yield "        wait(thread, team)"


def row_of_schedule(treatment: Treatment) -> str:
    """Return the expression of an update's row."""
    return "schedule[step // batches]" if treatment.accumulate > 1 else "schedule[step]"
