"""A whole function against a reference: an autograd.Function, a kernel, anything autograd can ask.

specs     what the inputs are, and which of their sizes may vary
samples   one set of circumstances, and the text that stands for it
grid      the samples of a check, small first
memory    how inputs and upstream gradients lie in memory
calls     a function run once, and its gradients
bench     a sample run by both functions and judged: R against float64
refusals  which errors say that something is not supported
explore   the grid run, and what fails brought down to the plainest sample that still does
evidence  what the causes look at
causes    FUNCTION_CAUSES: what is the matter, one small function each, verified
check     `handgrad.check_function`
words     the report as text
"""
