"""The child's ends of the pipes to its parent, and how it ends.

This imports nothing that starts threads: the process is still to be isolated, which takes a fork.
"""

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from handgrad.checker.run.isolate import isolate
from handgrad.checker.run.messages import encode, hidden
from handgrad.text import one_line


class Channel:
    """The child's ends of the pipes to its parent. Processes that it starts do not inherit them."""

    def __init__(self, events: int) -> None:
        self._events = os.fdopen(hidden(events), "w", encoding="utf-8")
        self._lifeline = os.fdopen(hidden(os.dup(0)), "r", encoding="utf-8")
        self._token = ""

    def request(self) -> dict[str, Any]:
        """Return the parent's request, then empty standard input and watch the parent.

        This returns in the process that is to run the file, isolated as the request asks.
        """
        request: dict[str, Any] = json.loads(self._lifeline.readline())
        self._token = request.pop("token")
        isolate(request)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        threading.Thread(target=self._follow_parent, daemon=True).start()
        return request

    def _follow_parent(self) -> None:
        """Stop the file's code when the parent asks to, with a line, and end with the parent.

        Nobody else is left to stop a hung notebook.
        """
        for _ in self._lifeline:
            os.kill(os.getpid(), signal.SIGTERM)
        os.killpg(0, signal.SIGKILL)

    def send(self, event: str, **values: Any) -> None:
        """Send a message to the parent."""
        self._events.write(encode(self._token, event, **values))
        self._events.flush()


def answered(channel: Channel, answer: dict[str, Any]) -> NoReturn:
    channel.send(**answer)
    with suppress(Exception):  # the user's code may have closed it
        sys.stdout.flush()
    os._exit(0)


def failure(error: BaseException) -> dict[str, Any]:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    reason = one_line(f"{type(error).__name__}: {error}")
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"handgrad itself failed, please report it: {reason} (at {where})"
    return {"event": "failed", "message": message}
