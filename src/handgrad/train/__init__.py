"""Training: the loop, optimizers, schedules, evaluation, checkpoints, run folders.

Importing this imports neither torch nor NumPy; each module does so where it computes.
"""
