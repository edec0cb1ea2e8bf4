"""How a function refers to tensors: by its own names, and by what these lead to."""

from collections.abc import Mapping

from handgrad.checker.record.scope import Scope
from handgrad.checker.write.compose.references import spelled


def spelled_in(scope: Scope) -> Mapping[int, str]:
    """Return the name or path of each tensor, by its id; nothing at the top of a file."""
    if scope.paths is None:
        names = {name: scope.names[name] for name in scope.local if name in scope.names}
        scope.paths = spelled(names, scope.held)
    return scope.paths
