"""The grammar of edits: ways in which one expression of the user's line may be written differently.

A rule yields the line with one change at a time. A cause lists its rules, the cheapest first, with
the message for each; the first line that, run in every scene, makes the right gradient is the one.

signs        a minus put in or left out, plus for minus
matrices     transposes, swapped operands, `*` for `@`
reductions   sums put in, left out, moved, along another dimension; mean for sum; keepdim
names        another name for one that the line reads
numbers      counts, constants, eps
exponents    powers
terms        terms of sums left out; a factor of one applied to all
factors      tensors as factors, upstream gradients, local derivatives
slopes       local derivatives inside a larger expression
scales       the number by which one term of a sum is off
masks        comparisons and what they select
places       indices, slices, those of other lines, `=` for `+=`
"""
