"""Which torch function matches which function of NumPy."""

from handgrad.checker.record.arrays import products, reductions, shapes
from handgrad.checker.record.arrays.creation import LIKE
from handgrad.checker.record.arrays.rule import Rule

FUNCTIONS: dict[str, Rule] = {
    **reductions.FUNCTIONS,
    **products.FUNCTIONS,
    **shapes.FUNCTIONS,
    **LIKE,
}
"""By the name after `np.`: "sum", "linalg.norm"."""
CONSTANT = {
    "allclose", "argwhere", "array2string", "array_equal", "array_repr", "array_str", "bincount",
    "broadcast_arrays", "can_cast", "count_nonzero", "digitize", "empty_like", "flatnonzero",
    "full_like", "histogram", "in1d", "indices", "isclose", "isin", "may_share_memory", "ndim",
    "nonzero", "result_type", "save", "savetxt", "savez", "savez_compressed",
    "searchsorted", "shape", "shares_memory", "size", "unique", "unravel_index",
}  # fmt: skip
"""Functions whose result does not depend on the values, or is no gradient's business."""
