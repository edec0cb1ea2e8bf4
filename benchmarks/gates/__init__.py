"""Rules that decide whether a kernel is right, side by side on the same forty kernels.

right, wrong  twenty right functions, twenty wrong ones
kernels       the table of them
candidates, references  the same by number, for the gate
rules         gradcheck, assert_close, KernelBench's, robust-kbench's and torchtitan's rule, ours
__main__      python -m benchmarks.gates [--write docs/pytest.md]
"""
