# ruff: noqa: E501  # engines in their authors' style
"""Scalar engines, each correct, whose operations keep functions."""

FUNCTIONS = """\
import math

class Function:
    def __init__(self, *parents):
        self.parents = parents
    @classmethod
    def apply(cls, *args):
        args = [a if isinstance(a, Scalar) else Scalar(a) for a in args]
        fn = cls(*args)
        out = Scalar(fn.forward(*[a.value for a in args]))
        out.creator = fn
        return out

class Add(Function):
    def forward(self, a, b): return a + b
    def backward(self, g): return g, g

class Mul(Function):
    def forward(self, a, b):
        self.saved = a, b
        return a * b
    def backward(self, g):
        a, b = self.saved
        return g * b, g * a

class Div(Function):
    def forward(self, a, b):
        self.saved = a, b
        return a / b
    def backward(self, g):
        a, b = self.saved
        return g / b, -g * a / b ** 2

class Exp(Function):
    def forward(self, a):
        self.out = math.exp(a)
        return self.out
    def backward(self, g):
        return (g * self.out,)

class Sigmoid(Function):
    def forward(self, a):
        self.s = 1 / (1 + math.exp(-a))
        return self.s
    def backward(self, g):
        return (g * self.s * (1 - self.s),)

class Scalar:
    def __init__(self, value):
        self.value = float(value)
        self.derivative = None
        self.creator = None
    def __add__(self, o): return Add.apply(self, o)
    def __radd__(self, o): return Add.apply(o, self)
    def __mul__(self, o): return Mul.apply(self, o)
    def __rmul__(self, o): return Mul.apply(o, self)
    def __truediv__(self, o): return Div.apply(self, o)
    def __rtruediv__(self, o): return Div.apply(o, self)
    def __neg__(self): return self * -1.0
    def __sub__(self, o): return self + (-1.0) * o
    def exp(self): return Exp.apply(self)
    def sigmoid(self): return Sigmoid.apply(self)
    def backward(self):
        order, seen = [], set()
        def visit(n):
            if id(n) in seen: return
            seen.add(id(n))
            if n.creator:
                for p in n.creator.parents: visit(p)
            order.append(n)
        visit(self)
        for n in order: n.derivative = 0.0
        self.derivative = 1.0
        for n in order[::-1]:
            if n.creator is None: continue
            for p, g in zip(n.creator.parents, n.creator.backward(n.derivative)):
                p.derivative += g

a, b = Scalar(2.0), Scalar(-3.0)
((a * b).sigmoid() / a).backward()
print(a.derivative)
"""

DISPATCH = """\
import math

class Knoten:
    def __init__(self, wert, eltern=(), op=None, k=None):
        self.wert = wert
        self.ableitung = 0.0
        self.eltern = eltern
        self.op = op
        self.k = k

    def __add__(self, o):
        o = o if isinstance(o, Knoten) else Knoten(o)
        return Knoten(self.wert + o.wert, (self, o), "+")
    def __sub__(self, o):
        o = o if isinstance(o, Knoten) else Knoten(o)
        return Knoten(self.wert - o.wert, (self, o), "-")
    def __mul__(self, o):
        o = o if isinstance(o, Knoten) else Knoten(o)
        return Knoten(self.wert * o.wert, (self, o), "*")
    def __truediv__(self, o):
        o = o if isinstance(o, Knoten) else Knoten(o)
        return Knoten(self.wert / o.wert, (self, o), "/")
    def __pow__(self, k):
        return Knoten(self.wert ** k, (self,), "hoch", k)
    def tanh(self):
        return Knoten(math.tanh(self.wert), (self,), "tanh")
    def log(self):
        return Knoten(math.log(self.wert), (self,), "log")

    def _verteile(self):
        g = self.ableitung
        if self.op == "+":
            a, b = self.eltern
            a.ableitung += g
            b.ableitung += g
        elif self.op == "-":
            a, b = self.eltern
            a.ableitung += g
            b.ableitung -= g
        elif self.op == "*":
            a, b = self.eltern
            a.ableitung += g * b.wert
            b.ableitung += g * a.wert
        elif self.op == "/":
            a, b = self.eltern
            a.ableitung += g / b.wert
            b.ableitung -= g * a.wert / (b.wert * b.wert)
        elif self.op == "hoch":
            a, = self.eltern
            a.ableitung += g * self.k * a.wert ** (self.k - 1)
        elif self.op == "tanh":
            a, = self.eltern
            a.ableitung += g * (1 - self.wert ** 2)
        elif self.op == "log":
            a, = self.eltern
            a.ableitung += g / a.wert

    def rueckwaerts(self):
        liste = []
        def sortiere(n):
            if n in liste: return
            for e in n.eltern: sortiere(e)
            liste.append(n)
        sortiere(self)
        self.ableitung = 1.0
        while liste:
            liste.pop()._verteile()

x = Knoten(0.5)
y = (x * x + 3).tanh() - x / 2
y.rueckwaerts()
print(x.ableitung)
"""

LAMBDAS = """\
import math
class V:
    def __init__(s, d, ch=(), gf=None):
        s.d, s.ch, s.gf, s.dg = d, ch, gf, 0
    def __add__(s, o):
        o = o if isinstance(o, V) else V(o)
        return V(s.d + o.d, (s, o), lambda g: (g, g))
    def __mul__(s, o):
        o = o if isinstance(o, V) else V(o)
        return V(s.d * o.d, (s, o), lambda g: (g * o.d, g * s.d))
    def __pow__(s, o):
        if isinstance(o, V):
            r = s.d ** o.d
            return V(r, (s, o), lambda g: (g * o.d * s.d ** (o.d - 1), g * r * math.log(s.d)))
        return V(s.d ** o, (s,), lambda g: (g * o * s.d ** (o - 1),))
    def exp(s):
        e = math.exp(s.d)
        return V(e, (s,), lambda g: (g * e,))
    def gelu(s):
        c = math.sqrt(2 / math.pi)
        u = c * (s.d + 0.044715 * s.d ** 3)
        t = math.tanh(u)
        return V(0.5 * s.d * (1 + t), (s,), lambda g: (g * (0.5 * (1 + t) + 0.5 * s.d * (1 - t * t) * c * (1 + 3 * 0.044715 * s.d ** 2)),))
    def __neg__(s): return s * -1
    def __sub__(s, o): return s + (-o)
    def __radd__(s, o): return s + o
    def __rmul__(s, o): return s * o
    def __rsub__(s, o): return V(o) + (-s)
    def backward(s):
        topo = []; seen = set()
        def go(v):
            if v in seen: return
            seen.add(v)
            for c in v.ch: go(c)
            topo.append(v)
        go(s)
        for v in topo: v.dg = 0
        s.dg = 1
        for v in topo[::-1]:
            if v.gf:
                for c, g in zip(v.ch, v.gf(v.dg)):
                    c.dg += g
x = V(2.0); y = V(-1.0)
l = (x * y + x ** 2).exp()
l.backward()
"""
