"""Random training programs with a hand-written backward pass: chains, loops over layers, classes.

A program is a list of blocks of lines. Blocks of the forward and of the backward pass are in an
order that Python needs; those without a common name may change places (`alike.py`). Half of the
programs have one mistake.
"""

from dataclasses import dataclass
from random import Random

HEAD = "import torch\n\ntorch.manual_seed({seed})"
ELEMENTWISE = {
    "torch.tanh({x})": "{d} * (1 - {y}**2)",
    "torch.sigmoid({x})": "{d} * {y} * (1 - {y})",
    "torch.relu({x})": "{d} * ({x} > 0)",
    "torch.exp({x} / 4)": "{d} * {y} / 4",
    "{x} ** 2 / 3": "{d} * 2 * {x} / 3",
    "{x} - {x}.mean(0, keepdim=True)": "{d} - {d}.mean(0, keepdim=True)",
    "torch.softmax({x}, 1)": "{y} * ({d} - ({d} * {y}).sum(1, keepdim=True))",
    "torch.sin({x})": "{d} * torch.cos({x})",
}
"""The operation, and its backward line."""


@dataclass(frozen=True)
class Program:
    """The blocks of a program, its own names, and the mistake that was planted."""

    blocks: tuple[str, ...]
    names: tuple[str, ...]
    """Names of tensors and parameters; the gradient of `h` is `dh`."""
    mistake: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.blocks) + "\n"


def program(seed: int) -> Program:
    """Return the program of a number."""
    random = Random(seed)
    kind = random.choice((chain, chain, stacked, recurrent, with_class))
    return kind(random, seed)


def chain(random: Random, seed: int) -> Program:
    """Linear layers and elementwise steps, one line each."""
    steps = random.randint(2, 4)
    width = random.choice((3, 4, 5))
    blocks = [HEAD.format(seed=seed), f"x = torch.randn(6, {width})"]
    names, forward, backward, x = ["x"], [], [], "x"
    for i in range(steps):
        y = f"h{i}"
        if random.random() < 0.5:
            w, b, out = f"W{i}", f"b{i}", random.choice((3, 4, 5))
            blocks += [f"{w} = torch.randn({width}, {out}) / 2", f"{b} = torch.randn({out}) / 2"]
            names += [w, b]
            forward.append(f"{y} = {x} @ {w} + {b}")
            lines = [f"d{w} = {x}.T @ d{y}", f"d{b} = d{y}.sum(0)"]
            random.shuffle(lines)
            backward.append([*lines, f"d{x} = d{y} @ {w}.T"])
            width = out
        else:
            operation = random.choice(list(ELEMENTWISE))
            forward.append(f"{y} = " + operation.format(x=x))
            line = ELEMENTWISE[operation].format(x=x, y=y, d=f"d{y}")
            backward.append([f"d{x} = {line}"])
        names.append(y)
        x = y
    return _closed(random, blocks, names, forward, backward, x)


def _closed(
    random: Random,
    blocks: list[str],
    names: list[str],
    forward: list[str],
    backward: list[list[str]],
    last: str,
) -> Program:
    loss, first = random.choice((
        (f"loss = ({last} ** 2).mean()", f"d{last} = 2 * {last} / {last}.numel()"),
        (f"loss = ({last} * {last}).sum()", f"d{last} = 2 * {last}"),
        (f"loss = {last}.sum()", f"d{last} = torch.ones_like({last})"),
    ))  # fmt: skip
    grads = [n for n in names if n == "x" or n[0] in "Wb"]
    lines = [first, *(line for part in reversed(backward) for line in part)]
    mistake = ""
    if random.random() < 0.5:
        at = random.randrange(len(lines))
        lines[at], mistake = _mistaken(random, lines[at]), lines[at]
    blocks += [f"{n}.requires_grad_()" for n in grads] + [*forward, loss, "loss.backward()"]
    if random.random() < 0.3:
        lines = ["with torch.no_grad():\n" + "\n".join(f"    {line}" for line in lines)]
    blocks += lines
    return Program(tuple(blocks), tuple(names), mistake)


def _mistaken(random: Random, line: str) -> str:
    """Return the line with one mistake that keeps its shape."""
    name, _, value = line.partition(" = ")
    changes = [f"-({value})", f"({value}) * 2", f"({value}) * 0.999"]
    if ".T @" in value:
        changes.append(f"({value}).abs()")
    if ".sum(0)" in value:
        changes.append(value.replace(".sum(0)", ".mean(0)"))
    if "**2" in value:
        changes.append(value.replace("**2", ""))
    return f"{name} = {random.choice(changes)}"


def stacked(random: Random, seed: int) -> Program:
    """A loop over layers, whose tensors are in lists."""
    count, act = random.randint(2, 3), random.choice(("tanh", "sigmoid"))
    local = {"tanh": "(1 - hs[i + 1]**2)", "sigmoid": "hs[i + 1] * (1 - hs[i + 1])"}[act]
    lines = [f"    dz = dh * {local}", "    dW = hs[i].T @ dz", "    db = dz.sum(0)",
             "    grads.append((dW, db))", "    dh = dz @ Ws[i].T"]  # fmt: skip
    mistake = ""
    if random.random() < 0.5:
        at = random.choice((0, 1, 2, 4))
        name, _, value = lines[at].partition(" = ")
        lines[at], mistake = f"{name} = {random.choice(('-', '2 * '))}({value})", lines[at]
    blocks = [
        HEAD.format(seed=seed), "x = torch.randn(5, 4)",
        f"Ws = [torch.randn(4, 4, requires_grad=True) for _ in range({count})]",
        f"bs = [torch.randn(4, requires_grad=True) for _ in range({count})]",
        "hs = [x]",
        f"for i in range({count}):\n    z = hs[i] @ Ws[i] + bs[i]\n    hs.append(torch.{act}(z))",
        "loss = (hs[-1] ** 2).mean()", "loss.backward()", "grads = []",
        "dh = 2 * hs[-1] / hs[-1].numel()",
        f"for i in reversed(range({count})):\n" + "\n".join(lines),
    ]  # fmt: skip
    return Program(tuple(blocks), ("Ws", "bs", "hs", "grads"), mistake)


def recurrent(random: Random, seed: int) -> Program:
    """A recurrent network: a loop over time, and gradients that are summed in it."""
    steps = random.randint(2, 4)
    lines = [
        "    draw = dh * (1 - hs[t + 1]**2)", "    dWx += xs[t].T @ draw",
        "    dWh += hs[t].T @ draw", "    db += draw.sum(0)", "    dh = draw @ Wh.T",
    ]  # fmt: skip
    mistake = ""
    if random.random() < 0.5:
        at = random.randrange(5)
        old = lines[at]
        sign = " += " if " += " in old else " = "
        name, _, value = old.partition(sign)
        change = (
            f"{name}{sign}-({value})" if random.random() < 0.5 else f"{name}{sign}2 * ({value})"
        )
        lines[at], mistake = change, old
    blocks = [
        HEAD.format(seed=seed), f"xs = torch.randn({steps}, 5, 3)",
        "Wx = torch.randn(3, 4) / 2", "Wh = torch.randn(4, 4) / 2", "b = torch.randn(4) / 2",
        "Wx.requires_grad_()", "Wh.requires_grad_()", "b.requires_grad_()",
        "hs = [torch.zeros(5, 4)]",
        f"for t in range({steps}):\n    hs.append(torch.tanh(xs[t] @ Wx + hs[t] @ Wh + b))",
        "loss = (hs[-1] ** 2).sum()", "loss.backward()",
        "dWx = torch.zeros_like(Wx)", "dWh = torch.zeros_like(Wh)", "db = torch.zeros_like(b)",
        "dh = 2 * hs[-1]",
        f"for t in reversed(range({steps})):\n" + "\n".join(lines),
    ]  # fmt: skip
    return Program(tuple(blocks), ("xs", "Wx", "Wh", "b", "hs"), mistake)


def with_class(random: Random, seed: int) -> Program:
    """Layers as classes with forward and backward."""
    act, local = random.choice(
        (("tanh", "1 - self.out**2"), ("sigmoid", "self.out * (1 - self.out)"))
    )
    lines = ["        self.dW = self.x.T @ dout", "        self.db = dout.sum(0)",
             "        dx = dout @ self.W.T"]  # fmt: skip
    slope, mistake = f"        dx = dout * ({local})", ""
    if random.random() < 0.5:
        at = random.randrange(4)
        old = slope if at == 3 else lines[at]
        name, _, value = old.partition(" = ")
        new = f"{name} = {random.choice(('-', '2 * '))}({value})"
        mistake = old
        if at == 3:
            slope = new
        else:
            lines[at] = new
    linear = (
        "class Linear:\n    def __init__(self, n, m):\n        self.W = torch.randn(n, m)\n"
        "        self.b = torch.randn(m)\n\n    def forward(self, x):\n        self.x = x\n"
        "        return x @ self.W + self.b\n\n    def backward(self, dout):\n"
        + "\n".join(lines) + "\n        return dx\n"
    )  # fmt: skip
    activation = (
        "class Activation:\n    def forward(self, x):\n"
        f"        self.out = torch.{act}(x)\n        return self.out\n\n"
        f"    def backward(self, dout):\n{slope}\n        return dx\n"
    )
    blocks = [
        HEAD.format(seed=seed), linear, activation,
        "x = torch.randn(6, 4)", "first = Linear(4, 5)", "second = Linear(5, 3)",
        "act = Activation()", "first.W.requires_grad_()", "second.W.requires_grad_()",
        "h = first.forward(x)", "a = act.forward(h)", "y = second.forward(a)",
        "loss = (y ** 2).mean()", "loss.backward()", "dy = 2 * y / y.numel()",
        "da = second.backward(dy)", "dh = act.backward(da)", "dx = first.backward(dh)",
    ]  # fmt: skip
    return Program(tuple(blocks), ("h", "a", "y"), mistake)
