"""What is judged in each program of layers and updates, and mistakes in them."""

HANDS = {
    "call modules": [
        "MSE.backward():inp", "bias_grad:bias", "grad:out", "weight_grad:weight",
    ],
    "cs231n": [
        "affine_relu_backward():X", "dX:X", "da:a", "dh:h", "dscores:scores", "dw:w", "dx:x",
        "grads['W1']:params['W1']", "grads['W2']:params['W2']", "grads['b2']:params['b2']",
    ],
    "function pairs": [
        "_:X", "d:a1", "d:z1", "d:z2", "g1:W1", "g2:W2",
    ],
    "batchnorm layer": [
        "d0:X", "d1:h1", "d2:h2", "d3:h3", "dxhat:xhat", "grads['beta']:beta",
        "grads['gamma']:gamma", "grads['w']:w",
    ],
    "rnn cell": [
        "RNNCell.backward()[0]:x", "dV:V", "dWh:Wh", "dWx:Wx", "db:b", "dh:h", "dout:out",
        "dt:(x @ self.Wx + h_prev @ self.Wh + self.b)", "dx:x",
    ],
    "layers dict grads": [
        "dW:W", "db:b", "dout:out", "dx:x", "grads[0]:params[0]", "grads[1]:params[1]",
    ],
    "shared layer": [
        "Act.bprop():x", "Lin.bprop(g):x", "dW:W", "g:h",
    ],
    "two inputs": [
        "MatMul.backward()[0]:a", "MatMul.backward(d):a", "Mul.backward()[0]:a", "dU:U", "dW:W",
        "da1:b", "da2:a", "db:b", "dc:c", "de:e", "ds:s", "dx1:a", "dx2:a", "dx:x",
    ],
    "nested model": [
        "Lin.back():x",
        "Lin.back(d):out",
        "Model.back(d):out",
        "d:x",
        "dw:w",
        "inner:(x @ self.w)",
        "inner:h",
    ],
    "conv pool": [
        "d:out", "dW:W", "da1:a1", "db:b", "dcols:cols", "dh1:h1", "dh2:h2", "dx:x", "dy:y",
    ],
    "network class": [
        "dA1:A1", "dW1:W1", "dW2:W2", "dZ1:Z1", "dZ2:Z2", "db1:b1", "db2:b2",
    ],
    "list net": [
        "delta:z", "nabla_b[-1]:biases[2]", "nabla_b[-2]:biases[1]", "nabla_w[-1]:weights[2]",
        "nabla_w[-2]:weights[1]",
    ],
    "unnamed update": [
        "err:out", "hidden_err:(X @ W1)", "step of W1:W1", "step of W2:W2",
    ],
    "zip params": [
        "e:(X @ W + b)", "e:out", "grads[0]:W", "gv:V",
    ],
    "p grad by hand": [
        "Linear.backward():x", "Linear.backward(dy):y", "W.grad:self.data", "b.grad:self.data",
        "g:h", "g:r", "grad:p.data",
    ],
    "torch p grad": [
        "W.grad:W", "b.grad:b",
    ],
    "german": [
        "f:a", "lokal:(eingabe @ self.gewichte + self.schwelle)", "step of gewichte:gewichte",
        "step of schwelle:schwelle", "zurueck:a",
    ],
}  # fmt: skip
"""The gradients and their nodes."""
MISTAKES = [
    ("call modules", "return grad_output * self.mask",
     "return grad_output * (1 - self.mask.float())", "ReLU.backward()", "The mask is inverted.",
     "return grad_output * self.mask.float()"),
    ("call modules", "return grad_output * self.out * (1 - self.out)",
     "return grad_output * (1 - self.out)", "Sigmoid.backward()",
     "The derivative in `self.out = torch.sigmoid(inp)` is self.out * (1 - self.out); "
     "grad_output is multiplied by something else.",
     "return grad_output * (self.out * (1 - self.out))"),
    ("call modules", "return 2 * self.diff / self.diff.numel()",
     "return 2 * self.diff / len(self.diff)", "MSE.backward()", "Off by the factor 2.",
     "return self.diff / len(self.diff)"),
    ("call modules", "return grad_output @ self.weight.T",
     "return grad_output @ self.weight.T * 2", "Dense.backward()", "Off by the factor 2.",
     "return grad_output @ self.weight.T"),
    ("call modules", "self.bias_grad = grad_output.sum(0)",
     "self.bias_grad = grad_output.mean(0)", "bias_grad",
     "This line takes the mean; the sum is correct.", "self.bias_grad = grad_output.sum(0)"),
    ("cs231n", "return dout * (x > 0)", "return dout * (x < 0)", "relu_backward()",
     "The mask is inverted.", "return dout * (x >= 0)"),
    ("cs231n", "dw = x.reshape(x.shape[0], -1).T @ dout",
     "dw = x.reshape(x.shape[0], -1).T @ dout / 6", "dw",
     "Off by the factor 1 / dout.shape[0], where dout.shape[0] = 6 (the rows of scores).",
     "dw = x.reshape(x.shape[0], -1).T @ dout"),
    ("cs231n", "db = dout.sum(0)", "db = dout.mean(0)", "db",
     "This line takes the mean; the sum is correct.", "db = dout.sum(0)"),
    ("list net", "delta = (delta @ weights[-l + 1].T) * sigmoid_prime(zs[-l])",
     "delta = (delta @ weights[-l + 1].T) * sigmoid(zs[-l])", "delta",
     "No known cause matches. It is wrong everywhere, most at [0, 1]: -0.1934, expected -0.06556. "
     "Expected at [0, 1]: -0.06556 from activation.", None),
    ("list net", "nabla_w[-l] = activations[-l - 1].T @ delta",
     "nabla_w[-l] = activations[-l - 1].T @ delta * 2", "nabla_w[-2]", "Off by the factor 2.",
     "nabla_w[-l] = activations[-l - 1].T @ delta"),
    ("unnamed update", "(1 - h**2)", "(1 - h)", "hidden_err",
     "1 - h is used where the local derivative belongs: 1 - h**2, the derivative in "
     "`h = torch.tanh(X @ W1)`.", "hidden_err = (err @ W2.T) * (1 - h**2)"),
    ("unnamed update", "W2 -= lr * (h.T @ err)", "W2 -= lr * (h.T @ err**2)", "step of W2",
     "Off by the factor err: the exponent must be 1.", "W2 -= lr * (h.T @ err)"),
    ("zip params", "return loss, [X.T @ e, e.sum(0), gv]",
     "return loss, [X.T @ e, e.mean(0), gv]", "compute()[1][1]",
     "Off by the factor 1 / (X @ W + b).shape[0], where (X @ W + b).shape[0] = 8 (the "
     "rows of (X @ W + b)).", "return e.sum(0)"),
    ("p grad by hand", "return dy @ self.W.data.T", "return -dy @ self.W.data.T",
     "Linear.backward()", "Wrong sign: this is the negative of the correct gradient.",
     "return dy @ self.W.data.T"),
    ("torch p grad", "W.grad = X.T @ err", "W.grad = X.T @ err / 10", "W.grad",
     "Off by the factor 1 / z.shape[0], where z.shape[0] = 10 (the rows of z).",
     "W.grad = X.T @ err"),
    ("torch p grad", "err /= 10", "err /= 100", "W.grad",
     "W.grad is wrong, and so is every other gradient that is computed from err: the "
     "mistake is in err, which belongs to no named tensor.", None),
    ("german", "lokal = fehler * (1 - self.ausgabe**2)", "lokal = fehler * (1 - self.ausgabe)",
     "lokal", "The derivative in `self.ausgabe = torch.tanh(eingabe @ self.gewichte + "
     "self.schwelle)` is 1 - self.ausgabe**2; fehler is multiplied by something else.",
     "lokal = fehler * (1 - self.ausgabe**2)"),
    ("german", "self.schwelle -= rate * lokal.sum(0)", "self.schwelle -= rate * fehler.sum(0)",
     "step of schwelle",
     "No known cause matches. It is wrong everywhere, most at [0]: -0.04982, expected "
     "-0.06826. Expected at [0]: -0.06826 from (eingabe @ self.gewichte + " "self.schwelle).",
     None),
    ("rnn cell", "dt = dh_next * (1 - h_next**2)", "dt = dh_next * (1 - h_next)", "dt",
     "The derivative in `h_next = torch.tanh(x @ self.Wx + h_prev @ self.Wh + self.b)` "
     "is 1 - h_next**2; dh_next is multiplied by something else.",
     "dt = dh_next * (1 - h_next**2)"),
    ("function pairs", "return dout * torch.sigmoid(x)", "return dout * torch.sigmoid(-x)",
     "softplus_grad()", "The sign of x is wrong.", "return dout * torch.sigmoid(x)"),
    ("batchnorm layer", "self.grads[\"gamma\"] = (dy * self.xhat).sum(0)",
     "self.grads[\"gamma\"] = (dy * self.mu).sum(0)", "grads['gamma']",
     "No known cause matches. It is wrong in 83% of the elements, most at [0]: -0.5577, "
     "expected 7.4. Expected at [0]: 7.4 from h2.", None),
    ("batchnorm layer", "return dy @ self.w.T", "return dy @ self.w.T / 9", "Linear.backward()",
     "Off by the factor 1 / self.x.shape[0], where self.x.shape[0] = 9 (the rows of " "self.x).",
     "return dy @ self.w.T"),
    ("shared layer", "return g * torch.cos(x)", "return g * torch.sin(x)", "Act.bprop()",
     "torch.sin(x) is used where the local derivative belongs: torch.cos(x), the derivative in "
     "`y = torch.sin(x)`.", "return g * torch.cos(x)"),
    ("shared layer", "return g @ self.W.T", "return g @ self.W", "Lin.bprop()",
     "self.W must be transposed here.", "return g @ self.W.T"),
    ("network class", "dZ1 = dA1 * (1 - self.A1**2)", "dZ1 = dA1 * (1 - self.A1)", "dZ1",
     "The derivative in `self.A1 = torch.tanh(self.Z1)` is 1 - self.A1**2; dA1 is "
     "multiplied by something else.", "dZ1 = dA1 * (1 - self.A1**2)"),
    ("conv pool", "expand(n, c, h, w) / (h * w)", "expand(n, c, h, w) / h", "AvgPool.backward()",
     "Off by the factor 3.", "return dout[:, :, None, None].expand(n, c, h, w) / h**2"),
    ("conv pool", "return F.fold(dcols, self.shape[2:], self.k)",
     "return F.fold(dcols, self.shape[2:], self.k) / 2", "Conv.backward()",
     "Off by the factor 1 / 2.", "return F.fold(dcols, self.shape[2:], self.k)"),
    ("two inputs", "return d * self.y", "return d", "Exp.backward()",
     "The local derivative is missing: this is d alone, as if self.y were x itself. The "
     "derivative of `e = ex.forward(b)` is self.y.", "return self.y * d"),
    ("two inputs", "m1.backward(da1 + da2)", "m1.backward(da2)", "MatMul.backward(d)",
     "MatMul.backward(d) lacks the contribution through add. With correct upstream "
     "gradients this line gives -11.62 at [0, 1]; expected -12.97.", None),
    ("nested model", "return d + self.f.back(inner)", "return self.f.back(inner)",
     "Block.back()", "Block.back() lacks the contribution through x.", None),
    ("nested model", "self.dw = self.x.t() @ d", "self.dw = self.x.t() @ d * 0.5", "dw",
     "Off by the factor 1 / 2.", "self.dw = self.x.t() @ d"),
    ("nested model", "model.back(2 * (out - t) / out.numel())",
     "model.back((out - t) / out.numel())", "Model.back(d)",
     "With correct upstream gradients this line gives -0.2699 at [1, 1]; expected " "-0.5399.",
     None),
]  # fmt: skip
"""The program, a line, the line with a mistake, the gradient, the whole message, the correction."""
