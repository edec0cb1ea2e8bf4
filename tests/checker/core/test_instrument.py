"""Instrumented source runs as the plain one does, and says which names its statements set."""

import ast
import contextlib

import pytest

from handgrad.checker.record.instrument import Instrumenter

CODE = '''
"""A docstring stays first."""
from collections import namedtuple

a = b = [0, 0]
a[0] = 3
(c, *d), e = (1, 2, 3), 4
c += 1
i: int = 2
j: int
def f(x, *args, y=2, **more):
    "and this one"
    total = x + y
    if total > 3:
        return total
    for k in range(3):
        if k == 1:
            continue
        total += k
    else:
        total += 100
    return total
class P:
    z = 1
    def set(self, value):
        self.z = value
        self.w = {"k": value}
        self.w["k"] += 1
        return self.z
p = P()
p.set(5)
with open("/dev/null") as file:
    name = file.name
try:
    1 / 0
except ZeroDivisionError as error:
    said = str(error)
finally:
    done = True
while True:
    i -= 1
    if i < 0:
        break
match i:
    case -1:
        found = "minus"
    case _:
        found = "other"
def numbers():
    for n in range(3):
        got = yield n
        done = got
(w := 7)
lines = [v := q for q in range(3)]
if i and (never := 0):
    pass
out = [f(1), f(2, y=5), list(numbers()), p.z, p.w, a, b, c, d, e, name, said, found, w, lines]
out
'''


class Hook:
    """Stands for the recorder."""

    def __init__(self):
        self.seen = []
        self.ticks = 0
        self.ends = 0
        self.entries = []
        self.results = []

    def after(self, number, *values):
        self.seen.append((number, values))

    def compared(self, number, *values):
        self.seen.append((number, values))

    def entered(self, number):
        self.entries.append(number)

    def returned(self, number, value):
        self.results.append((number, value))
        return value

    def tick(self, number):
        self.ticks += 1

    def end(self, number):
        self.ends += 1


def run(code, names=None):
    statements, hook = [], Hook()
    instrumenter = Instrumenter(statements, 3, code)
    names = {} if names is None else names
    tree = instrumenter.module(ast.parse(code))
    exec(compile(tree, "it", "exec"), names | {"__handgrad__": hook}, names)
    return names, [(statements[n], values) for n, values in hook.seen], hook


def test_every_kind_of_statement_runs_as_before():
    plain = {}
    exec(CODE, plain)
    statements, hook = [], Hook()
    tree = Instrumenter(statements, None, CODE).module(ast.parse(CODE))
    names = {"__handgrad__": hook}
    exec(compile(tree, "it", "exec"), names)
    assert names["out"] == plain["out"]
    assert names["__doc__"] == plain["__doc__"]
    assert names["f"].__doc__ == plain["f"].__doc__
    assert hook.ticks > hook.ends > 0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", [("x", "assign")]),
        ("x = y = 1", [("x", "assign"), ("y", "assign")]),
        ("x, (y, *z) = 1, (2, 3)", [("x", "assign"), ("y", "assign"), ("z", "assign")]),
        ("x = 1\nx += 1", [("x", "assign"), ("x", "update")]),
        ("x = 1\nx = x + 1", [("x", "assign"), ("x", "update")]),
        ("x = [0]\nx[0] = 1", [("x", "assign"), ("x", "assign")]),
        ("x = [0]\nx[0] += 1", [("x", "assign"), ("x", "update")]),
        ("x = [[0]]\nx[0][0] = 1", [("x", "assign"), ("x", "update")]),
        ("x = [0, 1]\nx[:1] = [2]", [("x", "assign"), ("x", "update")]),
        ("x: int = 1", [("x", "assign")]),
        ("for x in [1]:\n    pass", [("x", "param")]),
        ("class A: pass\na = A()\na.x = 1", [("a", "assign"), ("x", "assign")]),
        ("class A: pass\na = A()\na.data = 1", [("a", "assign"), ("a", "update")]),
        ("def f(u, *, v=1):\n    w = u\nf(1)", [("u", "param"), ("v", "param"), ("w", "assign")]),
    ],
)
def test_the_names_that_a_statement_sets(code, expected):
    _, seen, _ = run(code)
    assert [(t.name, t.kind) for statement, _ in seen for t in statement.targets] == expected


def test_a_statement_knows_where_it_stands_and_what_it_says():
    _, seen, _ = run("\ndef f():\n    a = (1 +\n        2)\n    return a\nb = f()\n")
    (inner, _), (outer, _) = seen
    assert (inner.place.line, inner.place.cell, inner.function) == (3, 3, "f")
    assert inner.text == "a = (1 +\n    2)"  # without the indentation of where it stands
    assert (outer.place.line, outer.function, outer.text) == (6, "", "b = f()")


def test_statements_that_scale_are_told_from_those_that_add():
    _, seen, _ = run("x = 4\nx += 1\nx -= 1\nx *= 2\nx /= 2\nx **= 1")
    assert [s.scales for s, _ in seen] == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    ("call", "label", "values"),
    [
        ("cmp('h', a, b)", "h", (1, 2)),
        ("cmp(a, b, 'h')", "h", (1, 2)),
        ("print('h', a, b)", "h", (1, 2)),
    ],
)
def test_a_comparison_is_told_before_it_runs(call, label, values):
    code = f"a, b = 1, 2\ndef cmp(*given):\n    raise ValueError\n{call}\n"
    statements, hook = [], Hook()
    tree = Instrumenter(statements, None, code).module(ast.parse(code))
    with contextlib.suppress(ValueError):
        exec(compile(tree, "it", "exec"), {"__handgrad__": hook})
    (told,) = [(statements[n], v) for n, v in hook.seen if statements[n].label is not None]
    assert (told[0].label, told[1]) == (label, values)


def test_a_last_expression_is_still_the_last_and_has_its_value():
    tree = Instrumenter([], None, "x = 1\nx + 1").module(ast.parse("x = 1\nx + 1"))
    assert isinstance(tree.body[-1], ast.Expr)
    value = compile(ast.Expression(tree.body[-1].value), "it", "eval")
    assert eval(value, {"x": 1, "__handgrad__": Hook()}) == 2
