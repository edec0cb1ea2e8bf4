"""`**` instead of `*`, or `*` instead of `**`.

What: x**2 instead of 2 * x, or x * 2 instead of x**2.

Why: there is one star too many or one too few, and both are valid Python.

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
