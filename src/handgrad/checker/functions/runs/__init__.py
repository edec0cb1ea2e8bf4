"""Running one sample, then the whole grid.

calls     one call of a function, and its gradients
bench     the two functions, their inputs and options
truth     the reference in float64 on one sample, and the noise of rounding
ratio     R, the distance from the truth in units of the noise
refusals  errors that mean "not supported"
trial     one sample run by the function and judged
explore   the grid run, and failures reduced to the simplest sample
"""
