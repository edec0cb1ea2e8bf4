"""How gradients are named: the one list of patterns, used by recording, pairing and Jupyter.

A name is a lead. Whether a tensor is the gradient of a node is decided by values and dataflow.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Size

PATTERNS = (
    re.compile(r"d(?P<node>.+)"),
    re.compile(r"d_(?P<node>.+)"),
    re.compile(r"d(?P<node>.+)_"),
    re.compile(r"grad_(?P<node>.+)"),
    re.compile(r"(?P<node>.+)_grad"),
    re.compile(r"(?P<node>.+)\.grad"),
    re.compile(r"g_(?P<node>.+)"),
    re.compile(r"g(?P<node>\w{1,3})"),
    re.compile(r"(?P<node>.+)_bar"),
    re.compile(r"nabla_(?P<node>.+)"),
    re.compile(r"delta_?(?P<node>.+)"),
    re.compile(r"(?P<node>.+)_delta"),
    re.compile(r"\w+\['d(?P<node>.+)'\]|(?:[dgDG]|nabla)\w*\['(?P<same>.+)'\]"),
    re.compile(r"d(?:[LlJE]|[Ll]oss|[Cc]ost)_?d(?P<node>.+)"),
)
"""Names of the gradient of a node; the first whose rest is an existing name counts."""
AT_LAYER = re.compile(r"delta")
"""Such names say of which layer a gradient is; it is often that of the activation's input."""
GRADIENTS = re.compile(r"[dgDG]|nabla")
"""How the name of a dictionary of gradients begins: grads, g, dparams."""
KEYED = re.compile(r"(?:[dgDG]|nabla)\w*\['.+'\]")
"""An entry of a dictionary of gradients; the gradient may also have a name of its own."""
OF_ALL = re.compile(r"[dgDG]s?|d_?params?")
"""Names of a collection of all gradients."""
EACH = "[*]"
"""Follows the name of a list to mean each of its elements."""
LIKELY = re.compile(
    r"(?:.+\.grad|d_?\w+|grad\w*|\w+_grads?|g_\w+|g[A-Z]\w*|g[a-z]\d*|nabla\w*|\w*delta\w*)(?:\[-?\d+\])?"
)
"""Names of likely gradients whose node has another name: `dh` where h is called a."""


def hand_names(assigned: Iterable[str], pairs: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the names that read as gradients, each with its node: `dlogits` of `logits`."""
    names = dict.fromkeys(assigned)
    # grads['W1'] is the gradient of W1, or of params['W1']: of the first dictionary with the key,
    # as optimizers keep others
    keyed = [m for name in names if (m := re.fullmatch(r"(\w+)\['(.+)'\]", name))]
    keys: dict[str, str] = {}
    for match in keyed:
        if not GRADIENTS.match(match[1]):
            keys.setdefault(match[2], match[0])
    # in a loop over time, dh is the gradient of each hs[t] in turn
    lists = {m[1]: m[1] for name in sorted(names) if (m := re.fullmatch(r"(\w+)\[-?\d+\]", name))}
    lists |= {name.removesuffix("s"): name for name in lists}
    keys |= {short: f"{name}{EACH}" for short, name in lists.items() if short not in keys}
    nodes = {}
    for name in names:
        for candidate in node_names(name):
            node = candidate if candidate in names else keys.get(candidate, name)
            if node != name:
                nodes[name] = node
                break
    return nodes | {hand: node for hand, node in (pairs or {}).items() if hand in names}


def node_names(name: str) -> Iterator[str]:
    """Yield what the node would be called if `name` named its gradient, in order of PATTERNS."""
    for pattern in PATTERNS:
        match = pattern.fullmatch(name)
        if match is not None:
            yield next(filter(None, match.groups()))


def reads_as_gradient(name: str, shape: "Size", shapes: "Mapping[str, Size]") -> bool:
    """Tell whether a tensor's name is that of a gradient, knowing the `shapes` of names so far.

    A name such as `x_bar` is also that of a mean, so the node must exist and have the same shape.
    """
    if LIKELY.fullmatch(name) or OF_ALL.fullmatch(name):
        return True
    return any(shapes.get(node) == shape for node in node_names(name))
