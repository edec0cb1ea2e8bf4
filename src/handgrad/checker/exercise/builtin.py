"""The forward passes that come with handgrad: each file in forwards/ is one, named by its stem."""

from pathlib import Path

from handgrad.checker.exercise.keep import docstring
from handgrad.errors import SettingsError

FOLDER = Path(__file__).with_name("forwards")


def builtin(name: str) -> Path:
    """Return the file of a forward pass. Raises SettingsError if there is none of that name."""
    file = FOLDER / f"{name}.py"
    if name not in summaries():
        names = ", ".join(summaries())
        raise SettingsError(f"--of {name}: not a built-in forward pass; there are {names}")
    return file


def summaries() -> dict[str, str]:
    """Return the first line of the docstring of each forward pass, by name."""
    files = sorted(FOLDER.glob("*.py"))
    return {file.stem: (docstring(file.read_text()) or "").split("\n")[0] for file in files}
