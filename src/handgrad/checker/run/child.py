"""The child process: runs the user's code and answers on a pipe.

It is started as `python -P -m handgrad.checker.run.child EVENTS_FD`. process.py describes the
messages between the two processes. What needs torch is imported once the process is isolated.
"""

import sys
from typing import NoReturn

from handgrad.checker.run.channel import Channel, answered, failure
from handgrad.checker.run.forks import SERVE, serve
from handgrad.errors import CheckError


def main() -> NoReturn:
    """Serve one request, then exit at once, even if the user's code left threads running."""
    channel = Channel(_events())
    try:
        request = channel.request()
        from handgrad.checker.run.work import Work

        answer = Work(channel, request).run()
    except CheckError as refusal:
        answer = {"event": "refused", "message": str(refusal)}
    except BaseException as error:  # a fault of ours: the user's were caught where they were raised
        answer = failure(error)
    answered(channel, answer)


def _events() -> int:
    """Return the descriptor of the pipe of events; in a fork server, that of each child."""
    if sys.argv[1] != SERVE:
        return int(sys.argv[1])
    events = serve(int(sys.argv[2]), sys.argv[3])
    sys.argv[1:] = [str(events)]
    return events


if __name__ == "__main__":
    main()
