"""A term too many in a sum.

What: something is added to the gradient, or subtracted from it, that does not come back from any
consumer: a bias copied from the forward, a weight decay that the loss does not have.

Why: for y = g * x + b, x gets g * dy; b adds nothing, since it does not change with x. A penalty on
the weights comes back only if it is in the loss.

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
