"""`*` instead of `@`, or `@` instead of `*`.

What: the line has a matrix product where the forward pass multiplies elementwise, or the reverse.

Why: for y = x @ W each element of dx sums over a whole row of dy, dx = dy @ W.T; for y = a * b each
element of da depends on one element only, da = dy * b. Where the shapes broadcast, or a matrix is
square, the wrong product runs without an error.

Wrong:

    # logits = h @ W2 + b2
    dh = dlogits * W2

Right:

    dh = dlogits @ W2.T
"""

from handgrad.checker.explain.search.grammar import matrices

CODE = "HG115"
NAME = "elementwise for a matrix product"
ORDER = 250
EDITS = (
    (matrices.elementwise, "{was} is a matrix product; the forward pass multiplies elementwise."),
    (
        matrices.matrix,
        "{was} multiplies elementwise; the forward pass has a matrix product: {now}.",
    ),
)
