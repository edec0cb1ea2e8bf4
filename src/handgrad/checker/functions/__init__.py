"""A whole function against a reference: an autograd.Function, a kernel, anything autograd can ask.

shapes    shapes in letters, and what is drawn in them
values    numbers like those of an example
specs     what the inputs are, and which of their sizes may vary
samples   one set of circumstances, and the text that stands for it
grid      the samples of a check, small first
memory    how inputs and upstream gradients lie in memory
calls     a function run once, and its gradients
bench     a sample run by the reference: truth and noise; R against float64
trial     a sample run by the function, and judged
refusals  which errors say that something is not supported
explore   the grid run, and what fails brought down to the plainest sample that still does
diagnose  from what fails to its causes
patterns  what failing samples have in common, where an error sits
evidence  what the causes look at
causes    FUNCTION_CAUSES: what is the matter, one small function each, verified
check     `handgrad.check_function`
words     the report as text
"""
