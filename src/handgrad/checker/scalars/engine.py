"""Recognise an engine by what it does: numbers in objects, arithmetic, and a backward method."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from handgrad.checker.scalars.definitions import Definitions, Names
from handgrad.checker.scalars.limit import Late, limited
from handgrad.checker.scalars.nodes import ordered

LIKELY = re.compile(r"back|grad|prop|deriv|diff|rück|rueck|retro|reverse|sweep", re.IGNORECASE)
UNLIKELY = re.compile(
    r"zero|reset|clear|show|plot|draw|print|save|step|update|train", re.IGNORECASE
)
Run = Callable[[Names, Any], Any]
"""Calls the engine's backward pass from a result; returns what that returns."""


class Unfit(Exception):
    """Raised where an experiment has no answer: the operation does not take these inputs."""


@dataclass(frozen=True)
class Driver:
    """How the backward pass is started: a method of the result, or a function."""

    name: str
    method: bool
    seeded: bool = False
    """Whether the caller sets the gradient of the result to 1."""
    argument: bool = False
    """Whether it takes the gradient of the result."""
    owner: str | None = None
    """The name of the object whose method it is, such as a tape."""
    nodes: bool = False
    """Whether `name` is an attribute of each node, called in our own order: there is no method."""
    reader: str = ""
    """The attribute of a leaf that holds its gradient; empty: looked up in what was returned."""


@dataclass(frozen=True)
class Engine:
    """One class of a file whose objects are nodes of a graph."""

    definitions: Definitions
    name: str
    keywords: tuple[tuple[str, Any], ...]
    value: str
    """The attribute that holds the number."""
    driver: Driver = field(default_factory=lambda: Driver("", True))

    def leaf(self, names: Names, number: Any) -> Any:
        """Return a new node that holds `number`."""
        return names[self.name](number, **dict(self.keywords))

    def number(self, names: Names, node: Any) -> float:
        """Return the number that a node holds; Unfit where it is none."""
        if not isinstance(node, names[self.name]):
            raise Unfit("not a node")
        found = plain(getattr(node, self.value, None))
        if found is None:
            raise Unfit("no number")
        return found

    def differentiate(self, names: Names, out: Any, leaves: Sequence[Any]) -> list[float | None]:
        """Run the engine's own backward pass; return each leaf's gradient, None where unset."""
        returned = self.run(names, out)
        return [self._read(returned, leaf) for leaf in leaves]

    def run(self, names: Names, out: Any) -> Any:
        driver = self.driver
        if driver.seeded:
            setattr(out, driver.reader, 1.0)
        if driver.nodes:
            for node in ordered(out):
                getattr(node, driver.name)()
            return None
        if driver.owner is not None:
            call = getattr(names[driver.owner], driver.name)
            return call(out)
        if driver.method:
            call = getattr(out, driver.name)
            return call(1.0) if driver.argument else call()
        return names[driver.name](out)

    def _read(self, returned: Any, leaf: Any) -> float | None:
        if self.driver.reader:
            held = getattr(leaf, self.driver.reader, None)
        else:
            held = returned.get(leaf, returned.get(id(leaf)))
        return plain(getattr(held, self.value, held) if type(held) is type(leaf) else held)


def plain(value: Any) -> float | None:
    """Return a number, or an array of one number, as a float."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    item = getattr(value, "item", None)
    try:
        found = item() if callable(item) and getattr(value, "shape", None) in ((), (1,)) else None
    except Exception:
        return None
    return float(found) if isinstance(found, int | float) else None


def engines(definitions: Definitions) -> Iterator[Engine]:
    """Yield the engines among the classes of a file."""
    names = definitions.fresh()
    bases: set[type] = set()
    for name in dict.fromkeys(_class_names(definitions)):
        cls = names.get(name)
        if not isinstance(cls, type) or not any(hasattr(cls, m) for m in ("__add__", "__mul__")):
            continue
        if any(cls is base for base in bases) or issubclass(cls, int | float | str | list | tuple):
            continue
        engine = _recognised(definitions, name)
        if engine is not None:
            bases.update(cls.__mro__)
            yield engine


def _class_names(definitions: Definitions) -> Iterator[str]:
    for part in definitions.parts:
        if isinstance(part.tree, ast.ClassDef):
            yield part.tree.name


def _recognised(definitions: Definitions, name: str) -> Engine | None:
    for keywords in _keywords(definitions, name):
        for value in _value_attributes(definitions, name, keywords):
            engine = Engine(definitions, name, keywords, value)
            driver = _driver(engine)
            if driver is not None:
                return Engine(definitions, name, keywords, value, driver)
    return None


def _keywords(definitions: Definitions, name: str) -> Iterator[tuple[tuple[str, Any], ...]]:
    """Yield what to pass beside the number: first flags such as `requires_grad`, then nothing."""
    flags: list[str] = []
    for part in definitions.parts:
        if isinstance(part.tree, ast.ClassDef) and part.tree.name == name:
            for node in part.tree.body:
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    flags = [a for a in _false_by_default(node) if LIKELY.search(a)]
    if flags:
        yield tuple((flag, True) for flag in flags)
    yield ()


def _false_by_default(function: ast.FunctionDef) -> list[str]:
    args, defaults = function.args.args, function.args.defaults
    pairs = [*zip(args[len(args) - len(defaults) :], defaults, strict=True)]
    pairs += [
        (a, d)
        for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if d is not None
    ]
    return [a.arg for a, d in pairs if isinstance(d, ast.Constant) and d.value is False]


def _value_attributes(
    definitions: Definitions, name: str, keywords: tuple[tuple[str, Any], ...]
) -> list[str]:
    """Return the attributes that follow the arithmetic, from the operands to the results."""
    names = definitions.fresh()
    try:
        a, b = (names[name](x, **dict(keywords)) for x in (2.25, 3.5))
        results = [(a, 2.25), (b, 3.5)]
        for function, expected in ((operator.add, 5.75), (operator.mul, 7.875)):
            try:
                results.append((function(a, b), expected))
            except Exception:  # one of the two operations may not be defined
                continue
    except Exception:
        return []
    if len(results) < 3:
        return []

    def follows(attribute: str) -> bool:
        return all(_held(node, attribute) == expected for node, expected in results)

    return [n for n in dir(a) if not n.startswith("__") and follows(n)]


def _held(node: Any, attribute: str) -> float | None:
    try:
        return plain(getattr(node, attribute, None))
    except Exception:
        return None


def _driver(engine: Engine) -> Driver | None:
    """Return the call that fills the gradients of the leaves, the one that is right most often."""
    best: tuple[int, int] = (0, 0)
    chosen = None
    for order, driver in enumerate((*_drivers(engine), *_by_node(engine))):
        if driver.nodes and chosen is not None:
            break
        filled, right = _score(engine, driver)
        if filled and (right, filled) > best:
            best, chosen = (right, filled), driver
        if right == len(_PROBES) or order > 200:
            break
    return chosen


_PROBES: tuple[tuple[Callable[[Any, Any], Any], float, float], ...] = (
    (lambda a, b: a + b, 1.0, 1.0),
    (lambda a, b: a * b, 3.5, 2.25),
    (lambda a, b: (a * b) * b, 12.25, 15.75),
    (lambda a, b: (a + b) * b, 3.5, 9.25),
)
"""Graphs of a = 2.25 and b = 3.5 with their gradients."""


def _score(engine: Engine, driver: Driver) -> tuple[int, int]:
    """Return in how many probes the driver changes a leaf's gradient, and in how many rightly."""
    tried = Engine(engine.definitions, engine.name, engine.keywords, engine.value, driver)
    filled = right = 0
    for build, da, db in _PROBES:
        names = engine.definitions.fresh()
        try:
            with limited():
                leaves = [tried.leaf(names, 2.25), tried.leaf(names, 3.5)]
                before = [tried._read({}, leaf) if driver.reader else None for leaf in leaves]
                found = tried.differentiate(names, build(*leaves), leaves)
                values = [tried.number(names, leaf) for leaf in leaves]
        except (Exception, Late):
            continue
        if values != [2.25, 3.5]:
            return 0, 0  # it updates the leaves: not a backward pass
        filled += found != before and any(found)
        right += found == [da, db]
    return filled, right


def _drivers(engine: Engine) -> Iterator[Driver]:
    """Yield the calls that may start a backward pass, likely names first."""
    names = engine.definitions.fresh()
    cls = names[engine.name]
    leaf = engine.leaf(names, 2.25)
    readers = [n for n in dir(leaf) if not n.startswith("__") and _may_hold(leaf, n, engine)]
    readers.sort(key=lambda n: LIKELY.search(n) is None)
    methods = [
        n
        for n in dir(cls)
        if not n.startswith("__") and callable(getattr(cls, n)) and not UNLIKELY.search(n)
    ]
    functions = [f.name for _, f in engine.definitions.functions() if not UNLIKELY.search(f.name)]
    found: list[Driver] = []
    for reader in readers:
        for seeded in (False, True):
            for name in methods:
                found += [Driver(name, True, seeded, arg, reader=reader) for arg in (False, True)]
            found += [Driver(name, False, seeded, reader=reader) for name in functions]
            found += [
                Driver(method, False, seeded, owner=owner, reader=reader)
                for owner, method in _owners(engine, names)
            ]
    found += [Driver(name, False) for name in functions]
    found += [Driver(name, True) for name in methods]
    found.sort(key=lambda d: (LIKELY.search(d.name) is None, d.seeded, d.argument))
    yield from (d for d in found if LIKELY.search(d.name))


def _by_node(engine: Engine) -> Iterator[Driver]:
    """Yield the attributes of nodes that may be closures over one operation's rule."""
    names = engine.definitions.fresh()
    leaf = engine.leaf(names, 2.25)
    held = getattr(leaf, "__dict__", {})
    for reader in held:
        for name, value in held.items():
            if callable(value) and LIKELY.search(name) and _may_hold(leaf, reader, engine):
                yield Driver(name, False, seeded=True, nodes=True, reader=reader)


def _owners(engine: Engine, names: Names) -> Iterator[tuple[str, str]]:
    for name, value in names.items():
        if type(value).__name__ in engine.definitions.classes and not name.startswith("__"):
            for method in dir(type(value)):
                if not method.startswith("__") and LIKELY.search(method):
                    yield name, method


def _may_hold(leaf: Any, attribute: str, engine: Engine) -> bool:
    """Tell whether an attribute may be the gradient: a number or None, and not the value."""
    if attribute == engine.value:
        return False
    try:
        held = getattr(leaf, attribute)
    except Exception:
        return False
    return held is None or plain(getattr(held, engine.value, held)) is not None
