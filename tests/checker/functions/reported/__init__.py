"""Functions rewritten from public bug reports, each beside its right twin, by name."""

from checker.functions.reported import activations, losses, memory, norms, sequences
from checker.functions.reported.case import Reported

PAIRS: dict[str, tuple[Reported, Reported]] = {
    name: two
    for module in (activations, losses, memory, norms, sequences)
    for name, two in module.CASES.items()
}
"""The right and the wrong function."""
UNEXPLAINED = ("bce", "log softmax")
"""Found, without a reason."""
