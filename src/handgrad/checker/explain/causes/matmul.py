"""A matrix product with a wrong transpose, or with its operands swapped.

What: a `.T` is missing or should not be there, the operands are swapped, or the subscripts of an
einsum are.

Why: for y = x @ W the shapes allow only one form: dx = dy @ W.T is (n, in), dW = x.T @ dy is
(in, out). Where a matrix is square, a wrong form runs without an error.

Wrong:

    # logits = h @ W2 + b2
    dh = dlogits @ W2

Right:

    dh = dlogits @ W2.T
"""

from handgrad.checker.explain.search.grammar import matrices

CODE = "HG114"
NAME = "transposed"
ORDER = 220
EDITS = (
    (matrices.without_transpose, "{was} must not be transposed here."),
    (matrices.transposed, "{was} must be transposed here."),
    (matrices.stacks_transposed, "{was} must be transposed in its last two dimensions."),
    (matrices.swapped, "The operands are swapped: matrix multiplication is not commutative."),
    (matrices.both_transposed, "Either both operands must be transposed or neither."),
    (matrices.einsum_letters, "{was} is transposed."),
    (matrices.einsum_operands, "The subscripts of the operands are exchanged: use {now}."),
    (matrices.names_transposed, "{was} must be transposed here."),
)
