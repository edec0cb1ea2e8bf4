"""Models on words beside other programs: time of a step, loss after the same steps, time to a loss.

    python -m benchmarks.models [--data names.txt] [--eemicrogpt eemicrogpt.c]
                                [--makemore makemore.py] [--rounds N] [--only TEXT] [--write FILE]

eemicrogpt.c is https://github.com/Entrpi/eemicrogpt, makemore.py is
https://github.com/karpathy/makemore; neither is part of this project. On a processor that is not
ARM, eemicrogpt.c is compiled through SIMDe's NEON (Debian: libsimde-dev). Peers run in turn, each
in a process of its own on one core; a ratio is taken per round, and its median is quoted.
"""
