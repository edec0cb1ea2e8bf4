"""`ipython` in a terminal shows the same as plain text."""

import os
import subprocess
import sys

LINES = """\
%load_ext handgrad
import torch
h = torch.ones(3, requires_grad=True)
a = h * h
loss = a.sum()
loss.backward()
da = torch.ones(3)
dh = 3 * h.detach() * da
%handgrad derive
dh = 2 * h.detach() * da; dh
"""
PRINTED = """\
In [1]: In [2]: In [3]: In [4]: In [5]: In [6]: In [7]: handgrad: 1 exact

In [8]: handgrad: 1 wrong

Lines to blame
  ✗ dh   cell 8, line 1   f32[3]
      dh = 3 * h.detach() * da
      Off by the factor 1.5. [HG103]

In [9]: # loss = a.sum()
da = torch.ones_like(a)
# a = h * h
dh = 2 * h * da

handgrad: 2 of 2 gradients: 2 exact.

In [10]: Out[10]: tensor([2., 2., 2.])
handgrad: 1 exact
"""


def test_a_session() -> None:
    flags = ["--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=nocolor"]
    done = subprocess.run(
        [sys.executable, "-m", "IPython", *flags, "--HistoryManager.enabled=False"],
        input=LINES,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.split() == [*PRINTED.split(), "In", "[11]:"]
    assert done.stderr == ""
