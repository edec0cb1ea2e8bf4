"""What a checked file prints: its beginning and its end are kept, the bytes between are counted."""

import io
import threading
from typing import BinaryIO

HEAD = TAIL = 64 * 1024  # bytes: about a thousand lines each, even if the file prints gigabytes
KEPT_OF_CELL = 64 * 1024  # characters of a cell's output that are compared with the saved output


class HeadTail:
    """Keeps the first HEAD and the last TAIL of any number of bytes."""

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
        if len(self._tail) > 2 * TAIL:  # cut rarely, so that small chunks stay cheap
            del self._tail[:-TAIL]

    def text(self) -> str:
        """Return what was kept, with one line in place of the rest."""
        tail = self._tail[-TAIL:]
        left_out = self.n_bytes - len(self._head) - len(tail)
        middle = f"\n... {left_out:,} bytes left out ...\n".encode() if left_out else b""
        return (bytes(self._head) + middle + bytes(tail)).decode("utf-8", "backslashreplace")


class Echo(io.TextIOWrapper):
    """The child's standard output, written line by line so that a crash loses nothing.

    It also remembers what each cell prints.
    """

    def __init__(self, buffer: BinaryIO) -> None:
        super().__init__(buffer, "utf-8", "backslashreplace", line_buffering=True)
        self._printed: list[str] = []
        self._room = KEPT_OF_CELL

    def write(self, text: str, /) -> int:
        """Write `text`, and remember it while there is room."""
        if self._room > 0:
            self._printed.append(text[: self._room])
            self._room -= len(text)
        return super().write(text)

    def take(self) -> str:
        """Return what was written since the last call, or its first KEPT_OF_CELL characters."""
        printed = "".join(self._printed)
        self._printed, self._room = [], KEPT_OF_CELL
        return printed


class OutputReader(threading.Thread):
    """Reads a pipe into a HeadTail all the time, so that the writer never has to wait."""

    def __init__(self, pipe: BinaryIO) -> None:
        super().__init__(daemon=True)
        self.kept = HeadTail()
        self._pipe = pipe

    def run(self) -> None:
        with self._pipe as pipe:
            while chunk := pipe.read1(HEAD):  # type: ignore[attr-defined]  # a BufferedReader
                self.kept.add(chunk)
