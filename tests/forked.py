"""Children of `handgrad check` for the tests, fake ones too: forked from one server of each kind.

A fresh child spends one or two seconds of CPU time on imports alone. Tests of what a fresh child
is use the fixture `fresh_children`.
"""

import atexit
import threading
from typing import Any

from handgrad.checker.run import process
from handgrad.checker.run.forks import AVAILABLE, ForkServer

FRESH = process.fresh
UNSEEN = {"PYTEST_CURRENT_TEST", "COLUMNS"}
"""Variables that tests set and that no child reads."""

_servers: dict[tuple[Any, ...], ForkServer] = {}


def forked(kind: str, events: int, stop: threading.Event, alone: bool = True) -> process.Process:
    """Start a child as `process.fresh` does, by a fork."""
    child = None
    if AVAILABLE:
        child = _server(kind, process.environment(alone)).fork(events, stop)
    return child or FRESH(kind, events, stop, alone)


def _server(kind: str, environment: dict[str, str]) -> ForkServer:
    """The server for files of this kind in this environment."""
    seen = sorted(item for item in environment.items() if item[0] not in UNSEEN)
    key = (*process.COMMAND, kind, *seen)
    if key not in _servers:
        _servers[key] = ForkServer(process.COMMAND, kind, environment)
        atexit.register(_servers[key].close)
    return _servers[key]
