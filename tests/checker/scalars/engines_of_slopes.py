# ruff: noqa: E501  # engines in their authors' style
"""Scalar engines, each correct, whose operations keep slopes."""

SLOPES = """\
import math


class Value:
    __slots__ = ("data", "grad", "inputs", "slopes")

    def __init__(self, data, inputs=(), slopes=()):
        self.data = data
        self.grad = 0
        self.inputs = inputs
        self.slopes = slopes

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __sub__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data - other.data, (self, other), (1, -1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k): return Value(self.data**k, (self,), (k * self.data ** (k - 1),))
    def exp(self): return Value(math.exp(self.data), (self,), (math.exp(self.data),))
    def log(self): return Value(math.log(self.data), (self,), (1 / self.data,))
    def relu(self): return Value(max(0, self.data), (self,), (float(self.data > 0),))
    def detach(self): return Value(self.data)
    def __neg__(self): return self * -1
    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __truediv__(self, other): return self * other**-1

    def backward(self):
        order, known = [], set()

        def visit(node):
            if node not in known:
                known.add(node)
                for one in node.inputs:
                    visit(one)
                order.append(node)

        visit(self)
        self.grad = 1
        for node in reversed(order):
            for one, slope in zip(node.inputs, node.slopes):
                one.grad += slope * node.grad
"""

PATHS = """\
import math


class Variable:
    def __init__(self, value, parts=()):
        self.value = value
        self.parts = parts

    def __add__(self, other):
        return plus(self, other)

    def __mul__(self, other):
        return times(self, other)


def plus(a, b):
    return Variable(a.value + b.value, ((a, 1.0), (b, 1.0)))


def times(a, b):
    parts = (
        (a, b.value),
        (b, a.value),
    )
    return Variable(a.value * b.value, parts)


def inverse(a):
    return Variable(1 / a.value, ((a, -1 / a.value**2),))


def sine(a):
    return Variable(math.sin(a.value), ((a, math.cos(a.value)),))


def gradients_of(result):
    found = {}

    def follow(variable, so_far):
        for part, slope in variable.parts:
            found[part] = found.get(part, 0) + so_far * slope
            follow(part, so_far * slope)

    follow(result, 1.0)
    return found
"""

KAHN = """\
# counts consumers and hands the gradient on when the last one has arrived
from math import exp, log, tanh, cos, sin
from collections import deque

class Node:
    def __init__(self, val, parents=(), local=()):
        self.val = val
        self.adj = 0.0
        self.parents = parents
        self.local = local

    def __repr__(self): return f'Node({self.val})'

    def __add__(self, other):
        if not isinstance(other, Node): other = Node(other)
        return Node(self.val + other.val, (self, other), (1.0, 1.0))
    def __sub__(self, other):
        if not isinstance(other, Node): other = Node(other)
        return Node(self.val - other.val, (self, other), (1.0, -1.0))
    def __mul__(self, other):
        if not isinstance(other, Node): other = Node(other)
        return Node(self.val * other.val, (self, other), (other.val, self.val))
    def __truediv__(self, other):
        if not isinstance(other, Node): other = Node(other)
        return Node(self.val / other.val, (self, other), (1 / other.val, -self.val / other.val ** 2))
    def max(self, other):
        return Node(max(self.val, other.val), (self, other), (float(self.val >= other.val), float(self.val < other.val)))
    def detach(self): return Node(self.val)
    def abs(self): return Node(abs(self.val), (self,), (1.0 if self.val > 0 else -1.0,))
    def propagate(self):
        count = {}
        stack = [self]
        while stack:
            n = stack.pop()
            for p in n.parents:
                count[p] = count.get(p, 0) + 1
                if count[p] == 1: stack.append(p)
        self.adj = 1.0
        ready = deque([self])
        while ready:
            n = ready.popleft()
            for p, l in zip(n.parents, n.local):
                p.adj += l * n.adj
                count[p] -= 1
                if count[p] == 0: ready.append(p)

def nsin(x): return Node(sin(x.val), (x,), (cos(x.val),))
def nexp(x):
    e = exp(x.val)
    return Node(e, (x,), (e,))
a = Node(1.0); b = a * a + nsin(a); b.propagate(); print(a.adj)
"""
