"""The compiled engine: the model's layers as one function of kernels, compiled by numba."""
