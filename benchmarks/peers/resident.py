"""Start a process from a small one and print its peak memory.

    python resident.py ARGUMENTS

Runs this interpreter with ARGUMENTS and prints the peak of its resident memory in KiB. Linux
includes in a process's peak what its parent held when it started the process; this parent holds no
libraries.
"""

import os
import sys

quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
command = [sys.executable, *sys.argv[1:]]
child = os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss // (1024 if sys.platform == "darwin" else 1))
sys.exit(os.waitstatus_to_exitcode(status))
