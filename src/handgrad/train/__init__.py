"""Training: the loop, optimizers, schedules, evaluation, checkpoints, run folders, runtimes.

Importing this imports neither torch nor NumPy; each module does so where it computes.
"""
