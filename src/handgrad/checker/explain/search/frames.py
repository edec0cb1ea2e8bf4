"""The suspects inside the functions that a line calls: each line there, in its own names."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from handgrad.checker.explain.search.helpers import (
    FRAME,
    Call,
    FrameNames,
    Helper,
    call_of,
)
from handgrad.checker.explain.search.names import NamesAt
from handgrad.checker.explain.search.runner import LineRunner
from handgrad.checker.explain.search.scene import ConsumerShare, View
from handgrad.checker.explain.search.suspect import Suspect
from handgrad.checker.record.scope import attributes
from handgrad.checker.record.trace import Bind


@dataclass(frozen=True, eq=False)
class Site:
    """A statement that calls functions of the user's; `suspect` is that statement."""

    suspect: Suspect
    call: Call

    @staticmethod
    def of(suspect: Suspect) -> "Site | None":
        """Return the site of a suspect; None if it calls no function that can run again."""
        if suspect.unit is None or not suspect.views:
            return None
        statements = dict.fromkeys(b.statement for b in suspect.forward.trace.of(Bind))
        call = call_of(suspect.unit, suspect.scope, statements)
        if call is None:
            return None
        whole = _renewed(suspect, unit=call.whole())
        return Site(whole, call) if whole.repeats else None

    def inside(self, helper: Helper, node: ast.stmt) -> Suspect | None:
        """Return one line of a function that the call reaches as a suspect."""
        mine = next((h for h in self.call.helpers if h.key == helper.key), None)
        unit = None if mine is None else self.call.at(mine, node)
        if mine is None or unit is None:
            return None
        known = self._known(mine)
        views = []
        for view in self.suspect.views:
            names = self._frame(mine, node, view, known)
            if names is None:
                return None
            views.append(_inner(view, names))
        native = self.suspect.native
        if native is not None:
            names = self._frame(mine, node, native, known)
            native = None if names is None else _inner(native, names)
        suspect = self.suspect
        local = {id(value): name for name, value in known.items()}
        inner = _renewed(
            suspect,
            statement=mine.statement(node),
            unit=unit,
            views=tuple(views),
            native=native,
            parts=tuple(_renamed(part, suspect, local) for part in suspect.parts),
            names=_nodes(suspect, known),
            gradients=_gradients(suspect, local),
            frame=_scope(views[0].moment.names),
        )
        return inner if inner.repeats else None

    def _frame(
        self, helper: Helper, node: ast.stmt, view: View, known: Mapping[str, Any]
    ) -> FrameNames | None:
        """Return the names where a line of the function stands, when it last ran."""
        unit, frames = self.call.at(helper, node), list[dict[str, Any]]()
        if unit is None:
            return None
        # on the line itself, so that the lines around it keep their places
        source = unit.head + f"{unit.indent}{FRAME}(locals())\n{unit.indent}{unit.text}" + unit.tail
        caller = view.moment.names

        def noted(values: dict[str, Any]) -> None:
            frames.append({k: v.clone() if isinstance(v, Tensor) else v for k, v in values.items()})

        runner = LineRunner(caller, view.runner.dtype)
        runner.run(source, unit.target, view.before, {FRAME: noted})
        if not frames:
            return None
        values = frames[-1]
        read = {*helper.code.co_names, *helper.code.co_freevars}
        given = {name: value for name, value in known.items() if name in values}
        return FrameNames(caller, read, given, values)

    def _known(self, helper: Helper) -> dict[str, Any]:
        """Return the user's own tensors and objects under the function's names, in its last call.

        An object's tensors have the names that its attributes have there: `self.h`.
        """
        scope = self.suspect.scope
        found: dict[str, Any] = {}
        for node in ast.walk(ast.parse(self.suspect.statement.text)):
            if isinstance(node, ast.Call):
                found |= self._arguments(node, helper, scope)
        for event in reversed(self.suspect.forward.trace.events[: self._end]):
            if type(event) is Bind and helper.holds(event.statement) and event.name not in found:
                found[event.name] = event.value
                if event.kind == "param" and event.name == (helper.parameters or [""])[0]:
                    break
        for name, value in list(found.items()):
            members = None if isinstance(value, Tensor) else scope.held(value)
            for attribute, member in (members or {}).items():
                if isinstance(member, Tensor):
                    found[f"{name}.{attribute}"] = member
        return found

    def _arguments(self, call: ast.Call, helper: Helper, scope: NamesAt) -> dict[str, Any]:
        """Return the arguments of a call that are names, by the function's parameters."""
        arguments = list(call.args)
        if isinstance(call.func, ast.Name) and call.func.id == helper.name:
            pass
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            owner = call.func.value
            if (owner.id, call.func.attr, helper.name) not in self.call.methods:
                return {}
            arguments.insert(0, owner)
        else:
            return {}
        pairs = [*zip(helper.parameters, arguments, strict=False)]
        pairs += [(k.arg, k.value) for k in call.keywords if k.arg is not None]
        named = {p: v.id for p, v in pairs if isinstance(v, ast.Name) and v.id in scope}
        given = {parameter: scope.given(name) for parameter, name in named.items()}
        return {p: v for p, v in given.items() if isinstance(v, Tensor) or attributes(v)}

    @property
    def _end(self) -> int:
        binds = [b for b in self.suspect.hand.binds if b.statement == self.suspect.statement]
        return binds[-1].index if binds else 0


class _InnerRunner(LineRunner):
    """Runs programs on the caller's names, and expressions on the function's."""

    def __init__(self, outer: LineRunner, names: NamesAt) -> None:
        super().__init__(outer.names, outer.dtype)
        self._inner = LineRunner(names, outer.dtype)

    def value(self, source: str) -> Any:
        """Return the value of an expression inside the function."""
        return self._inner.value(source)


def _inner(view: View, names: NamesAt) -> View:
    return replace(
        view,
        moment=replace(view.moment, names=names),
        runner=_InnerRunner(view.runner, names),
    )


def _renamed(part: ConsumerShare, suspect: Suspect, local: Mapping[int, str]) -> ConsumerShare:
    node = suspect.names.get(part.consumer)
    consumer = local.get(id(node.value), part.consumer) if node is not None else part.consumer
    hand = None if node is None else suspect.backward.hands.get(id(node.value))
    name = part.hand if hand is None else local.get(id(hand.own_final().value), part.hand)
    return ConsumerShare(consumer, name, part.values)


def _nodes(suspect: Suspect, known: Mapping[str, Any]) -> dict[str, Bind]:
    nodes = {id(bind.value): bind for bind in suspect.names.values()}
    found = {name: nodes.get(id(value)) for name, value in known.items()}
    return {name: bind for name, bind in found.items() if bind is not None}


def _gradients(suspect: Suspect, local: Mapping[int, str]) -> dict[str, str]:
    found = {}
    for hand in suspect.backward.hands.values():
        node = local.get(id(hand.node.value), hand.node.name)
        found[node] = local.get(id(hand.own_final().value), hand.name)
    return found


def _scope(names: NamesAt) -> dict[str, object]:
    return {name: names.given(name) for name in names}


def _renewed(suspect: Suspect, **changes: Any) -> Suspect:
    """Return a suspect with other evidence, on which nothing was tried yet."""
    return replace(suspect, **changes, _tried={}, _made={}, kept={})
