"""Numbers that layers of torch and kernels share."""

BATCHNORM_EPS = 1e-5
"""Added to a variance before its root is taken."""
