"""The circumstances under which a function is checked.

sample  one sample: sizes, dtype, layout, upstream gradient; and its text form
grid    the samples of a check, small ones first
memory  memory layouts of inputs and upstream gradients
"""
