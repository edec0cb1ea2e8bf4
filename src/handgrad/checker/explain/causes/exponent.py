"""The power rule: the exponent, or the factor that it brings down.

What: the derivative of x**p is p * x**(p-1). Here the exponent or the factor is another.

Why: the exponent comes down as a factor and is one less afterwards; for a negative p it grows in
size: x**-1 gives -x**-2, and (v + eps)**-0.5 gives -0.5 * (v + eps)**-1.5.

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
    (exponents.derivatives, "The {was}, this line has {now}."),
    (exponents.raised_again, "The {was}: {now} has no exponent here."),
)
