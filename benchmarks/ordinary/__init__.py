"""check_function, gradcheck and opcheck side by side on six ordinary functions.

bodies    forward and backward of the six, and a wrong backward of each
cases     the table of them, as autograd.Function and as custom_op
tools     the three tools: a verdict
__main__  python -m benchmarks.ordinary [--write docs/pytest.md]
"""
