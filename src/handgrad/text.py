"""Text for messages: lists of names, and untrusted text made safe to print."""

from collections.abc import Iterable


def listed(items: Iterable[object]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    words = [str(item) for item in items]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def one_line(text: str, limit: int = 300) -> str:
    """Return `text` on one line, safe to print, no longer than `limit` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 3] + "..."


def printable(text: str) -> str:
    """Return `text` with control characters and lone surrogates escaped.

    Text from a notebook reaches a terminal and a JSON file. It must not control the one nor break
    the other.
    """
    return text if text.isprintable() else "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0:
        return f"\\x{code:02x}"
    controls = 0xD800 <= code < 0xE000 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return f"\\u{code:04x}" if controls else character


_DTYPES = {
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}


def array_text(dtype: str, shape: Iterable[int]) -> str:
    """Return an array's dtype and shape as jaxtyping writes them: `f32[32,64]`."""
    name = dtype.removeprefix("torch.")
    return f"{_DTYPES.get(name, name)}[{','.join(map(str, shape))}]"
