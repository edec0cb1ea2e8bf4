"""A sum over a dimension that was never broadcast.

What: the gradient is summed where each element has a gradient of its own.

Why: a sum undoes a broadcast. Where the forward did not broadcast, elements keep what came back to
them, and a sum with keepdim spreads the same total over all by broadcasting.

Wrong:

    # h = torch.tanh(hpreact)
    dhpreact = (1 - h**2) * dh.sum(0, keepdim=True)

Right:

    dhpreact = (1 - h**2) * dh
"""

from handgrad.checker.explain.search.calls import calls
from handgrad.checker.explain.search.finding import Finding
from handgrad.checker.explain.search.suspect import Suspect

CODE = "HG111"
NAME = "extra sum"


def find(suspect: Suspect) -> Finding | None:
    """Leave out one reduction after the other."""
    if suspect.text is None:
        return None
    for call in calls(suspect.text, ("sum", "mean", "nansum")):
        fix = call.left_out()
        if suspect.mends(fix):
            return Finding(
                f"{call.inner} is {_DONE[call.name]} here, and must not be: the forward does not "
                "broadcast along that dimension.",
                fix,
            )
    return None


_DONE = {"sum": "summed", "mean": "averaged", "nansum": "summed"}
