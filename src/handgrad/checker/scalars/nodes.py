"""What a node leads to: the nodes that it was computed from, and everything else that it holds."""

from types import CellType, FunctionType
from typing import Any

MOST_OBJECTS = 2000


def ordered(out: Any) -> list[Any]:
    """Return the nodes that a result is computed from, each after all that use it."""
    found: list[Any] = []
    seen: set[int] = set()

    def visit(node: Any) -> None:
        seen.add(id(node))
        for other in nodes_of(node):
            if id(other) not in seen:
                visit(other)
        found.append(node)

    visit(out)
    return found[::-1]


def nodes_of(node: Any) -> list[Any]:
    """Return the nodes that a node holds, in attributes and in containers."""
    held = list(getattr(node, "__dict__", {}).values())
    inner = [x for v in held if isinstance(v, list | tuple | set) for x in v]
    return [x for x in (*held, *inner) if type(x) is type(node)]


def reachable(node: Any) -> set[int]:
    """Return the ids of what an object leads to: attributes, containers, variables of closures."""
    found: set[int] = set()
    pending = [node]
    while pending and len(found) < MOST_OBJECTS:
        current = pending.pop()
        if id(current) in found or isinstance(current, str | int | float | type):
            continue
        found.add(id(current))
        if isinstance(current, dict):
            pending += [*current, *current.values()]
        elif isinstance(current, list | tuple | set | frozenset):
            pending += current
        elif isinstance(current, FunctionType):
            pending += [c.cell_contents for c in current.__closure__ or () if _is_filled(c)]
            pending += current.__defaults__ or ()
        else:
            slots = [n for c in type(current).__mro__ for n in getattr(c, "__slots__", ())]
            held = {
                **getattr(current, "__dict__", {}),
                **{n: getattr(current, n, None) for n in slots},
            }
            pending += held.values()
    return found


def _is_filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
