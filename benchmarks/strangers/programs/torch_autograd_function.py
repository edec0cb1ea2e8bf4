import torch


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output


torch.manual_seed(69)
x = torch.randn(5, 3, requires_grad=True)
w = torch.randn(3, 2, requires_grad=True)
c = Cube.apply(x)
out = c @ w
loss = (out**2).sum()
loss.backward()
dout = 2 * out
dc = dout @ w.T
dw = c.T @ dout
dx = 3 * x**2 * dc
