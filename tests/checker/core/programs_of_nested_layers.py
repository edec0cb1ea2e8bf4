"""A program of attention blocks, each layer a class, with the gradients in dictionaries."""

ATTENTION = """\
import numpy as np
np.random.seed(3)

class Dense:
    def __init__(self, i, o):
        self.W, self.b = np.random.randn(i, o) * 0.4, np.zeros(o)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, g):
        grad_W = self.x.reshape(-1, self.x.shape[-1]).T @ g.reshape(-1, g.shape[-1])
        grad_b = g.sum(axis=(0, 1))
        return g @ self.W.T, {"W": grad_W, "b": grad_b}

class Attention:
    def __init__(self, d):
        self.q, self.k, self.o = Dense(d, d), Dense(d, d), Dense(d, d)
    def forward(self, x):
        q, k = self.q.forward(x), self.k.forward(x)
        scores = q @ k.transpose(0, 2, 1)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attn = e / e.sum(axis=-1, keepdims=True)
        self.cache = q, k, attn, x
        return self.o.forward(attn @ x)
    def backward(self, grad_y):
        q, k, attn, x = self.cache
        grad_y, grads_o = self.o.backward(grad_y)
        grad_attn = grad_y @ x.transpose(0, 2, 1)
        grad_scores = attn * (grad_attn - (grad_attn * attn).sum(axis=-1, keepdims=True))
        gx_q, grads_q = self.q.backward(grad_scores @ k)
        gx_k, grads_k = self.k.backward(grad_scores.transpose(0, 2, 1) @ q)
        grads = {}
        for d in [grads_q, grads_k, grads_o]:
            for k, v in d.items():
                grads[k + ("q" if d is grads_q else "k" if d is grads_k else "o")] = v
        return gx_q + gx_k + attn.transpose(0, 2, 1) @ grad_y, grads

class Block:
    def __init__(self, d):
        self.attn, self.out = Attention(d), Dense(d, d)
    def forward(self, x):
        self.h = x + self.attn.forward(x)
        return self.out.forward(np.maximum(0, self.h))
    def backward(self, grad):
        grad, grads_out = self.out.backward(grad)
        grad = grad * (self.h > 0)
        grad_attn, grads_attn = self.attn.backward(grad)
        grads = {f"out{k}": v for k, v in grads_out.items()}
        grads.update({f"attn{k}": v for k, v in grads_attn.items()})
        return grad + grad_attn, grads

blocks = [Block(4), Block(4)]
params = {}
for i, block in enumerate(blocks):
    for name, layer in zip("qko", [block.attn.q, block.attn.k, block.attn.o]):
        params[f"{i}attnW{name}"], params[f"{i}attnb{name}"] = layer.W, layer.b
    params[f"{i}outW"], params[f"{i}outb"] = block.out.W, block.out.b
x, target = np.random.randn(2, 3, 4), np.random.randn(2, 3, 4)
for epoch in range(4):
    y = x
    for block in blocks:
        y = block.forward(y)
    loss = ((y - target) ** 2).mean()
    grad = 2 * (y - target) / y.size
    grads = {}
    for i, block in reversed(list(enumerate(blocks))):
        grad, found = block.backward(grad)
        grads.update({f"{i}{k}": v for k, v in found.items()})
    for k in params:
        params[k] -= 0.1 * grads[k]
"""
