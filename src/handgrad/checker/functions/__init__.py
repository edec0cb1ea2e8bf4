"""Check a whole function against a reference: an autograd.Function, a kernel, a compiled module.

inputs    random inputs: from shapes in letters, from examples, or from a function
samples   the grid of sizes, dtypes, memory layouts and upstream gradients
runs      one sample run by both functions and judged by R; the grid; the simplest failing sample
causes    FUNCTION_CAUSES: the mistakes that are recognised, each confirmed by running
report    FunctionReport, and its text
beside    jvp, vmap and the registration of custom operators
foreign   pairs of functions, in NumPy or JAX too
numeric   a check without a reference: numeric derivatives of the forward
own       causes without a reference, from the function's own forward
ridders   numeric derivatives that know their error
gate      kernels that nobody trusts, in a process of their own
diagnose  from failing samples to failures with their causes
check     `handgrad.check_function`
"""
