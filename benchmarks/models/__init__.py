"""Models on words beside other programs: time of a step, loss after the same steps, time to a loss.

    python -m benchmarks.models [--data names.txt] [--eemicrogpt eemicrogpt.c]
                                [--makemore makemore.py] [--rounds N] [--only TEXT] [--write FILE]

eemicrogpt.c is https://github.com/Entrpi/eemicrogpt, makemore.py is
https://github.com/karpathy/makemore; neither is part of this project. On a processor that is not
ARM, eemicrogpt.c is compiled through SIMDe's NEON (Debian: libsimde-dev). Peers run in turn, each
in a process of its own on one core; a ratio is taken per round, and its median is quoted.

torch.compile and JAX compute our models from the same start on the same batches, with words padded
to the longest. They run in one process with ours, in turn, and CPU time is counted: compiling takes
a minute a row. Without JAX (pip install 'handgrad[bench]') its column is empty. Two tables need no
other program: words a second, and how far the compiled and the fused engine are apart.
"""
