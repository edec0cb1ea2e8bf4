"""All errors that handgrad raises on purpose, in one hierarchy.

Each message is one line: what is wrong, where, got and expected, what to do. The command line
prints it and exits with `exit_code`; in code, catch `HandgradError`.
"""


class HandgradError(Exception):
    """The command or its input is invalid."""

    exit_code = 2


class DataError(HandgradError):
    """A words file is missing, unreadable, not text, too small, or not the expected one."""


class SettingsError(HandgradError):
    """A size, name or combination of settings cannot work."""


class RunError(HandgradError):
    """A run folder or a file in it is missing, damaged, from another program, or not writable."""


class DivergedError(HandgradError):
    """The training loss is no longer finite."""


class CheckError(HandgradError):
    """A file contains nothing to check, or cannot be run."""


class LostError(CheckError):
    """The process of a checked file died, or exceeded its time limit (`timed_out`)."""

    def __init__(self, message: str, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class GradientError(HandgradError):
    """A hand-written gradient is wrong."""

    exit_code = 1
