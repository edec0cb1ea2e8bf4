"""Everything that handgrad raises on purpose, one tree.

Each error is one line: what is wrong, where, got and expected, what to do. The command line prints
that line and leaves with `exit_code`; in code, catch `HandgradError`.
"""


class HandgradError(Exception):
    """The command or its input is off."""

    exit_code = 2


class DataError(HandgradError):
    """A words file that is missing, unreadable, no text, too small, or not the one expected."""


class SettingsError(HandgradError):
    """Sizes, names or combinations of settings that cannot work."""


class RunError(HandgradError):
    """A run folder or one of its files that is missing, truncated, foreign, or not writable."""


class DivergedError(HandgradError):
    """A training loss that is no longer finite."""


class CheckError(HandgradError):
    """A file that holds nothing to check, or cannot be run."""


class LostError(CheckError):
    """A checked file whose process died, or did not answer in time (`timed_out`)."""

    def __init__(self, message: str, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class GradientError(HandgradError):
    """A hand-written gradient is wrong."""

    exit_code = 1
