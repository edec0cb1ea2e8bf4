"""A process that has imported torch and forks the candidate's processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from handgrad.errors import CheckError

COMMAND = [sys.executable, "-P", "-m", "handgrad.checker.functions.gate.worker"]
STARTUP = 120.0  # seconds for the imports of torch, on a slow disk


class Zygote:
    """A process that has imported torch and forks the candidate's processes."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**os.environ, "MPLBACKEND": "Agg"},
            )

    def fork(self, descriptors: Sequence[int]) -> int:
        """Return the id of a new process. Raises CheckError if there is none."""
        try:
            socket.send_fds(self._socket, [b"fork"], list(descriptors))
            return int(self._reply(STARTUP))
        except (OSError, ValueError) as error:
            raise CheckError("no process for the candidate could be started") from error

    def wait(self, pid: int) -> int:
        """Return the exit status of a process that has ended or is about to."""
        self._socket.sendall(b"%d" % pid)
        return int(self._reply(10.0))

    def _reply(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        return self._socket.recv(64)

    def close(self) -> None:
        """End it; the candidate's processes die with it."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
