"""config.json and train.json: written with a digest of their content, and believed only with it.

A folder that an earlier version has written has no digests; its content is checked all the same.
"""

import hashlib
import json
import math
import types
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from handgrad.errors import RunError, SettingsError
from handgrad.files import read_regular, write_json
from handgrad.version import __version__

FORMAT = 1
"""Version of the folder's layout; a folder with a higher one is rejected."""
DIGEST = "sha256"
"""Key of the digest of everything else."""
MOST_BYTES = 2**24
"""A description is a few kilobytes; with the largest vocabulary one megabyte."""
SHOWN = 40
"""Maximum length of a value in a message."""


def write_described(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with its format and digest. Raises RunError."""
    whole = {"format": FORMAT, **content}
    write_json(path, {**whole, DIGEST: digest_of(whole)})


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything in `content` except its digest, however it is laid out."""
    rest = {key: value for key, value in content.items() if key != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_described(path: Path) -> dict[str, Any]:
    """Return the content of config.json or train.json. Raises RunError."""
    try:
        content = json.loads(read_regular(path, MOST_BYTES))
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent} is not a run folder (it has no {path.name}): "
            "name one that `handgrad train` made"
        ) from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise RunError(f"{path} is damaged (not JSON): restore it, or train again") from error
    if not isinstance(content, dict) or "format" not in content:
        raise RunError(f"{path} was not written by handgrad: name another folder")
    if not isinstance(content["format"], int) or content["format"] > FORMAT:
        raise RunError(newer(path, content["format"]))
    return content


def check_digest(path: Path, content: Mapping[str, Any]) -> None:
    """Raise RunError if the content is not what was written; call it when all else is right."""
    if DIGEST in content and content[DIGEST] != digest_of(content):
        raise RunError(
            f"{path} is not as handgrad wrote it (its sha256 does not match): restore it, "
            'or remove the line "sha256" to use it as it is'
        )


def newer(path: Path, version: object) -> str:
    """Return the message about a file whose format is newer than this handgrad's."""
    return (
        f"{path} has format {shown(version)}, this handgrad {__version__} reads up to {FORMAT}: "
        "upgrade handgrad"
    )


def check_types(kind: type, content: Mapping[str, Any]) -> None:
    """Raise SettingsError if a value of `content` is not of its type in the dataclass `kind`."""
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    for name, value in content.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise SettingsError(f"unknown setting {shown(name)}; known: {names}")
        expected = next(
            (what for one, what in _EXPECTED.items() if one in _options(hints[name])), None
        )
        if expected and not any(_is(value, option) for option in _options(hints[name])):
            raise SettingsError(f"{name} is {shown(value, repr)}; it must be {expected}")


_EXPECTED = {
    float: "a finite number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
}


def _options(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the only one."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is(value: object, kind: Any) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and abs(value) < math.inf
    return isinstance(value, kind) if isinstance(kind, type) else True


def shown(value: object, text: Any = str) -> str:
    """Return a value from a file as text of a reasonable length."""
    try:
        line: str = text(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; lists in lists
        line = f"a {type(value).__name__} without end"
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."
