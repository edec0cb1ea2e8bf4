# ruff: noqa: E501  # engines in their authors' style
"""Scalar engines, each correct, whose operations keep closures."""

CLOSURES = """\
import math


class Number:
    def __init__(self, data, inputs=()):
        self.data = data
        self.grad = 0.0
        self.inputs = inputs
        self.pass_on = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        out = Number(self.data + other.data, (self, other))

        def pass_on():
            self.grad += out.grad
            other.grad += out.grad

        out.pass_on = pass_on
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        out = Number(self.data * other.data, (self, other))

        def pass_on():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.pass_on = pass_on
        return out

    def __pow__(self, power):
        out = Number(self.data**power, (self,))

        def pass_on():
            self.grad += power * self.data ** (power - 1) * out.grad

        out.pass_on = pass_on
        return out

    def relu(self):
        out = Number(max(self.data, 0.0), (self,))

        def pass_on():
            self.grad += (out.data > 0) * out.grad

        out.pass_on = pass_on
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Number(t, (self,))

        def pass_on():
            self.grad += (1 - t**2) * out.grad

        out.pass_on = pass_on
        return out

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def backward(self):
        order, known = [], set()

        def visit(node):
            if node not in known:
                known.add(node)
                for one in node.inputs:
                    visit(one)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.pass_on()


a, b = Number(0.5), Number(-2.0)
loss = (a * b + a).tanh()
loss.backward()
raise SystemExit("this line does not run")
"""

TAPE = """\
# a tape: every operation appends a closure that adds to the gradients of its inputs
import math
tape = []

class Var:
    def __init__(self, v):
        self.v = v
        self.g = 0.0
    def __add__(self, o): return add(self, wrap(o))
    def __mul__(self, o): return mul(self, wrap(o))
    __radd__ = __add__
    __rmul__ = __mul__

def wrap(x):
    return x if isinstance(x, Var) else Var(float(x))

def add(a, b):
    r = Var(a.v + b.v)
    def back():
        a.g += r.g
        b.g += r.g
    tape.append(back)
    return r

def mul(a, b):
    r = Var(a.v * b.v)
    def back():
        a.g += b.v * r.g
        b.g += a.v * r.g
    tape.append(back)
    return r

def sin(a):
    r = Var(math.sin(a.v))
    def back():
        a.g += math.cos(a.v) * r.g
    tape.append(back)
    return r

def tanh(a):
    r = Var(math.tanh(a.v))
    def back():
        a.g += (1 - r.v ** 2) * r.g
    tape.append(back)
    return r

def backprop(loss):
    loss.g = 1.0
    while tape:
        tape.pop()()

x = Var(0.5); y = Var(-1.2)
z = tanh(x * y + sin(x))
backprop(z)
print(x.g, y.g)
"""

RECURSIVE = '''\
import numpy as np

class Num:
    """Every path to a leaf is followed on its own: slow, and right."""
    def __init__(self, x, requires_grad=False):
        self.x = np.float64(x)
        self.requires_grad = requires_grad
        self.grad = None
        self.deps = []

    @staticmethod
    def lift(x):
        return x if isinstance(x, Num) else Num(x)

    def _make(self, x, deps):
        out = Num(x, any(d.requires_grad for d, _ in deps))
        out.deps = [(d, f) for d, f in deps if d.requires_grad]
        return out

    def __add__(self, other):
        other = Num.lift(other)
        return self._make(self.x + other.x, [(self, lambda g: g), (other, lambda g: g)])
    def __mul__(self, other):
        other = Num.lift(other)
        return self._make(self.x * other.x, [(self, lambda g: g * other.x), (other, lambda g: g * self.x)])
    def __neg__(self):
        return self._make(-self.x, [(self, lambda g: -g)])
    def __sub__(self, other):
        return self + (-Num.lift(other))
    def sigmoid(self):
        s = 1 / (1 + np.exp(-self.x))
        return self._make(s, [(self, lambda g: g * s * (1 - s))])
    def softplus(self):
        return self._make(np.log1p(np.exp(self.x)), [(self, lambda g: g / (1 + np.exp(-self.x)))])
    def leaky_relu(self, slope=0.1):
        return self._make(self.x if self.x > 0 else slope * self.x,
                          [(self, lambda g: g if self.x > 0 else slope * g)])
    def sqrt(self):
        r = np.sqrt(self.x)
        return self._make(r, [(self, lambda g: g / (2 * r))])

    def backward(self, g=1.0):
        if self.grad is None:
            self.grad = 0.0
        self.grad += g
        for d, f in self.deps:
            d.backward(f(g))

a = Num(1.0, requires_grad=True)
b = Num(2.0, requires_grad=True)
c = (a * b).sigmoid() - a.softplus()
c.backward()
print(a.grad)
'''
