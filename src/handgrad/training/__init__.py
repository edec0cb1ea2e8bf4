"""Training: the loop, evaluation, checkpoints, run folders, backends.

Importing this package imports neither torch nor NumPy; each module does so where it computes.
"""
