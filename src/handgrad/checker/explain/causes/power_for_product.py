"""`**` for `*`, or `*` for `**`.

What: x**2 where 2 * x is meant, or x * 2 where x**2 is.

Why: one star too many, or one too few, and both are valid.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = (1 - h * 2) * dh

Right:

    dhpreact = (1 - h**2) * dh
"""

from handgrad.checker.explain.search.grammar import exponents

CODE = "HG116"
NAME = "power for product"
ORDER = 320
EDITS = (
    (exponents.product_for_power, "{was} is a power; the product {now} is meant."),
    (exponents.power_for_product, "{was} is a product; the power {now} is meant."),
)
