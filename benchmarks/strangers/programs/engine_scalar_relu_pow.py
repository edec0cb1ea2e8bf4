class Scalar:
    def __init__(self, value, parents=()):
        self.value = value
        self.grad = 0
        self.parents = parents
        self.back = lambda: None

    def __add__(self, other):
        out = Scalar(self.value + other.value, (self, other))

        def back():
            self.grad += out.grad
            other.grad += out.grad * 1

        out.back = back
        return out

    def __pow__(self, n):
        out = Scalar(self.value**n, (self,))

        def back():
            self.grad += n * self.value ** (n - 1) * out.grad

        out.back = back
        return out

    def relu(self):
        out = Scalar(max(0.0, self.value), (self,))

        def back():
            self.grad += (out.value > 0) * out.grad

        out.back = back
        return out

    def run_back(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1
        for node in reversed(order):
            node.back()


p = 1.5
q = -0.25
x = Scalar(p)
y = Scalar(q)
s = (x + y).relu()
z = s**3 + x**2 + y**2 + (y + y).relu()
z.run_back()
