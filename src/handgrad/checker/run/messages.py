"""The messages of a child to its parent: lines of JSON, each checked before it is believed.

A line begins with a token that the parent made up for this child. What else arrives is ignored: the
code of a checked file may write to any descriptor. A line with the token must be one of EVENTS.
"""

import fcntl
import json
import os
import random
import resource
from collections.abc import Iterator
from hmac import compare_digest
from types import NoneType
from typing import Any, BinaryIO

Message = dict[str, Any]
EVENTS: dict[str, dict[str, tuple[type, ...]]] = {
    "ready": {},
    "cell": {"cell": (int, NoneType)},
    "grading": {},
    "refused": {"message": (str,)},
    "failed": {"message": (str,)},
    "answer": {},
}
"""The values of each event with their types. Those of an answer depend on the task: wire.py."""
MALFORMED = "its process sent something that is not a report, so nothing was graded"
LONGEST = 256 * 2**20  # bytes of one line: a report has less than one megabyte
MOST_MESSAGES = 100_000  # one for each cell, and a few
HIDDEN = range(2**14, 2**15)
"""Where the descriptors of a child are: no loop over the first thousand comes across them."""
ROOM = 64
"""Numbers that are left above the one that is drawn, which may be taken."""


def encode(token: str, event: str, **values: Any) -> str:
    """Return a message as a line, in ASCII so that no encoding can interfere."""
    return f"{token} {json.dumps({'event': event, **values})}\n"


def messages(pipe: BinaryIO, token: str) -> Iterator[Message]:
    """Yield the messages that arrive on a pipe; a malformed one as a failure, and the last one."""
    prefix = token.encode() + b" "
    for _ in range(MOST_MESSAGES):
        line = pipe.readline(LONGEST)
        if not line:
            return
        if not compare_digest(line[: len(prefix)], prefix):
            continue
        message = _decoded(line[len(prefix) :])
        if message is None:
            break
        yield message
    yield {"event": "failed", "message": MALFORMED}


def _decoded(text: bytes) -> Message | None:
    """Return the message, or None if it is not one."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("event"), str):
        return None
    expected = EVENTS.get(message["event"])
    if expected is None:
        return None
    is_whole = all(type(message.get(name)) in types for name, types in expected.items())
    return message if is_whole else None


def hidden(descriptor: int) -> int:
    """Move a descriptor to a high number, which processes that are started do not inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = HIDDEN.stop if hard == resource.RLIM_INFINITY else min(HIDDEN.stop, hard)
    numbers = range(HIDDEN.start, most - ROOM)
    if not numbers:  # the system allows few: leave it where it is
        os.set_inheritable(descriptor, False)
        return descriptor
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    least = random.SystemRandom().choice(numbers)
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(descriptor)
    return moved
