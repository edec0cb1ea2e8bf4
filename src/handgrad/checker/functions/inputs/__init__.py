"""What a check feeds to both functions.

values     random numbers that resemble an example tensor
shapes     shapes in letters, and how values are drawn in them
specs      all inputs of a check, from examples, shapes or a function that makes them
arguments  from flat inputs to a call: nested values, keywords, the parameters of modules
complex    complex numbers as pairs of real ones
isolation  the caller's random state, warnings and threads, restored after a check
"""
