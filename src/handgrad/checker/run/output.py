"""What a checked file prints: the beginning and the end are kept, the middle is counted."""

import io
import threading
from typing import BinaryIO

HEAD = TAIL = 64 * 1024  # bytes: some thousand lines each; a flood of gigabytes takes no more

SAID = 64 * 1024  # characters of a cell's output that are held against the saved one


class HeadTail:
    """Bytes of any number, of which the first HEAD and the last TAIL are held."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self.n_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.n_bytes += len(chunk)
        room = HEAD - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room else chunk
        if len(self._tail) > 2 * TAIL:  # cut seldom, so that small chunks stay cheap
            del self._tail[:-TAIL]

    def text(self) -> str:
        """What was kept, with one line in place of what was not."""
        tail = self._tail[-TAIL:]
        left_out = self.n_bytes - len(self._head) - len(tail)
        middle = f"\n... {left_out:,} bytes left out ...\n".encode() if left_out else b""
        return (bytes(self._head) + middle + bytes(tail)).decode("utf-8", "backslashreplace")


class Echo(io.TextIOWrapper):
    """Standard output of the child: passed on line by line, so that a crash loses nothing said."""

    def __init__(self, buffer: BinaryIO) -> None:
        super().__init__(buffer, "utf-8", "backslashreplace", line_buffering=True)
        self._said: list[str] = []
        self._room = SAID

    def write(self, text: str, /) -> int:
        """Write, and remember the first of it."""
        if self._room > 0:
            self._said.append(text[: self._room])
            self._room -= len(text)
        return super().write(text)

    def take(self) -> str:
        """What was written since the last time, or its first SAID characters."""
        said = "".join(self._said)
        self._said, self._room = [], SAID
        return said


class OutputReader(threading.Thread):
    """Drains a pipe into a HeadTail, so that the writer is never held up."""

    def __init__(self, pipe: BinaryIO) -> None:
        super().__init__(daemon=True)
        self.kept = HeadTail()
        self._pipe = pipe

    def run(self) -> None:
        with self._pipe as pipe:
            while chunk := pipe.read1(HEAD):  # type: ignore[attr-defined]  # a BufferedReader
                self.kept.add(chunk)
