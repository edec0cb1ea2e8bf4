"""`*` for `@`, or `@` for `*`.

What: a matrix product where the forward pass multiplies element by element, or the reverse.

Why: for y = x @ W each element of dx collects from a whole row of dy, dx = dy @ W.T; for y = a * b
each element of da gets from one alone, da = dy * b. Where the shapes broadcast, or a matrix is
square, the wrong one runs.

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
