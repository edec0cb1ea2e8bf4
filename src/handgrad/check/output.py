"""What a checked file prints: the beginning and the end are kept, the middle is counted."""

import threading
from typing import BinaryIO

HEAD = TAIL = 64 * 1024  # bytes: some thousand lines each; a flood of gigabytes takes no more


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
