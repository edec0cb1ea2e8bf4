"""NumPy programs: each operation on arrays is recorded as the torch function that matches it.

    memory      a tensor over the memory of each array
    tracked     the arrays and numbers that the user's program gets: NumPy's, with a tensor each
    calls       an operation: NumPy computes, the torch function is recorded
    table       which torch function matches which function of NumPy
    elementwise, reductions, products, shapes, indexing    its parts
    enter       how plain arrays become tracked: the hooks `lift` and `call`

NumPy computes the user's numbers, so they are those of a plain run to the bit. The torch function
is run only in replays.
"""
