"""A term too many in a sum.

What: the line adds or subtracts a term that no consumer contributes: a bias copied from the forward
pass, or a weight decay that the loss does not have.

Why: for y = g * x + b the gradient of x is g * dy; b adds nothing, since it does not depend on x. A
penalty on the weights contributes to their gradient only if it is part of the loss.

Wrong:

    # hpreact = bngain * bnraw + bnbias
    dbnraw = bngain * dhpreact + bnbias

Right:

    dbnraw = bngain * dhpreact
"""

from handgrad.checker.explain.search.grammar import terms

CODE = "HG140"
NAME = "term too many"
ORDER = 370
EDITS = (
    (
        terms.without_term,
        "{was} must not be {now} here: no such term comes from {consumers}.",
    ),
)
