"""The power rule: the exponent or the factor in front is wrong.

What: the derivative of x**p is p * x**(p-1). The exponent or the factor in this line is different.

Why: the exponent becomes a factor and then decreases by one. A negative p grows in magnitude: x**-1
gives -x**-2, and (v + eps)**-0.5 gives -0.5 * (v + eps)**-1.5.

Wrong:

    # counts_sum_inv = counts_sum**-1
    dcounts_sum = (-counts_sum**2) * dcounts_sum_inv

Right:

    dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv
"""

from handgrad.checker.explain.search.grammar import exponents

CODE = "HG104"
NAME = "power rule"
ORDER = 130
EDITS = (
    (exponents.other_exponents, "Off by the factor {was}: {now}."),
    (exponents.derivatives, "The {was}, not {now}."),
    (exponents.raised_again, "The {was}: {now} has no exponent here."),
)
